package store

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/timeline"
	"plugtone/store/seal"
	"plugtone/store/wal"
)

// powerConfig is what the programs that lose power open a directory with.
func powerConfig(dir string) Config {
	return Config{Dir: dir, KeyFile: filepath.Join(dir, seal.FileName), Now: func() time.Time { return startOfTime },
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()}
}

func openPowered(dir string, check ...string) (*Store, error) {
	c := powerConfig(dir)
	c.setDefaults()
	c.CheckCommand = check
	return open(c, limits{segment: wal.MinSegment})
}

// ledger is what must be in a directory.
type ledger struct {
	leases map[netip.Addr]dhcp.Lease
	labels map[dhcp.MAC]string // of devices
}

// step is one of the changes that a program makes, and acknowledges by its number.
type step struct {
	lease []dhcp.Change
	label map[dhcp.MAC]string // devices that are stored, in one edit
	do    func(*Store) error  // something that changes no lease and no record
	again bool                // the directory is closed and opened
}

// steps are those of a day of an appliance, made short: leases fill the log's segments several times, records change, copies are made, and
// the daemon restarts.
func steps() (all []step) {
	r := rand.New(rand.NewPCG(5, 8))
	for n := range 320 {
		var s step
		switch {
		case n%40 == 39:
			s.again = true
		case n%40 == 19:
			s.do = func(s *Store) error { return s.Snapshot() }
		case n%40 == 29:
			s.do = func(s *Store) error { return s.Backup(io.Discard, false) }
		case n%10 == 7:
			s.do = func(s *Store) error {
				s.AppendTimeline(timeline.Entry{Time: startOfTime, MAC: mac(n), Verdict: "acked"})
				return s.Flush()
			}
		case n%10 == 3:
			s.label = map[dhcp.MAC]string{mac(r.IntN(20)): fmt.Sprint("label ", n), mac(20 + r.IntN(20)): fmt.Sprint("label ", n)}
		default:
			for range 1 + n%9 {
				l := lease(r.IntN(100))
				l.Hostname = fmt.Sprint("step", n)
				s.lease = append(s.lease, dhcp.Change{Lease: l, Delete: r.IntN(5) == 0})
			}
		}
		all = append(all, s)
	}
	return all
}

// after returns the ledger after each number of steps.
func after(all []step) (ledgers []ledger) {
	now := ledger{map[netip.Addr]dhcp.Lease{}, map[dhcp.MAC]string{}}
	ledgers = append(ledgers, ledger{maps.Clone(now.leases), maps.Clone(now.labels)})
	for _, s := range all {
		for _, c := range s.lease {
			if c.Delete {
				delete(now.leases, c.Lease.Addr)
			} else {
				now.leases[c.Lease.Addr] = c.Lease
			}
		}
		maps.Copy(now.labels, s.label)
		ledgers = append(ledgers, ledger{maps.Clone(now.leases), maps.Clone(now.labels)})
	}
	return ledgers
}

// powerPrograms are what this binary does when it is recorded.
func powerPrograms() map[string]func(dir string) error {
	acknowledged := func(err error) error {
		if err == nil {
			_, err = fmt.Println("done")
		}
		return err
	}
	return map[string]func(dir string) error{
		"power day": aDay,
		"power start": func(dir string) error {
			s, err := openPowered(dir)
			if err == nil {
				err = putAll(s, "old")
			}
			return acknowledged(err)
		},
		"power rotate": func(dir string) error {
			c := powerConfig(dir)
			_, err := RotateKey(context.Background(), RotateConfig{Dir: dir, KeyFile: c.KeyFile, Forget: true, Now: c.Now, Log: c.Log})
			return acknowledged(err)
		},
		"power restore": func(dir string) error {
			backup, err := os.Open(os.Getenv(backupVar))
			if err != nil {
				return err
			}
			_, err = Restore(backup, RestoreConfig{Dir: dir, Now: startOfTime, Log: slog.New(slog.DiscardHandler)})
			return acknowledged(err)
		},
	}
}

// backupVar names the backup that "power restore" restores.
const backupVar = "PLUGTONE_STORE_BACKUP"

func aDay(dir string) error {
	s, err := openPowered(dir)
	if err != nil {
		return err
	}
	for n, step := range steps() {
		switch {
		case step.again:
			if err = s.Close(); err == nil {
				s, err = openPowered(dir)
			}
		case step.do != nil:
			err = step.do(s)
		case step.label != nil:
			err = s.Edit("tester", "put", func(e fleet.Edit) error {
				for m, label := range step.label {
					if err := e.PutDevice(&fleet.Device{MAC: m, Label: label, Settings: setting.Values{"admin_password": setting.Secret(planted)}}); err != nil {
						return err
					}
				}
				return nil
			})
		default:
			err = s.WriteLeases(step.lease)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", n, err)
		}
		fmt.Println(n)
	}
	return nil // as a process that is killed
}
