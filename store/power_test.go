package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/store/dbfile"
	"plugtone/store/events"
	"plugtone/store/powerloss"
	"plugtone/store/records"
	"plugtone/store/seal"
)

// readLedger reads what a directory has, and what Open reported but for damage of timelines, which may be lost.
func readLedger(dir string) (l ledger, err error) {
	var check []string
	if _, err := os.Stat(filepath.Join(dir, events.FileName)); err == nil {
		check = []string{os.Args[0], checkArg} // timelines that are damaged may take all memory
	}
	s, err := openPowered(dir, check...)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, d := range s.Damage() {
		if d.File != events.FileName && d.Kind != Restored {
			return l, fmt.Errorf("reported: %s", d.Text)
		}
	}
	if err := s.Health(); err != nil {
		return l, err
	}
	l = ledger{map[netip.Addr]dhcp.Lease{}, map[dhcp.MAC]string{}}
	err = s.LoadLeases(func(x dhcp.Lease) error { l.leases[x.Addr] = x; return nil })
	return l, errors.Join(err, s.View(func(v fleet.View) error {
		for d, err := range v.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			if d.Settings["admin_password"] != setting.Secret(planted) {
				return fmt.Errorf("%s has no password", d.MAC)
			}
			l.labels[d.MAC] = d.Label
		}
		return nil
	}))
}

// shortPowerTime bounds each of these tests.
const shortPowerTime = 3 * time.Second

// powerTime returns how long a test takes and what its random numbers begin with. $PLUGTONE_POWERLOSS, such as 10m, is for a longer test,
// with others each time.
func powerTime() (limit time.Duration, source uint64) {
	if d, err := time.ParseDuration(os.Getenv("PLUGTONE_POWERLOSS")); err == nil {
		return d, uint64(time.Now().UnixNano())
	}
	return shortPowerTime, 1
}

// losePower records a program of this binary in dir and calls check with the directory as each loss of power may leave it, with how many
// acknowledgements there were. It takes
// samples of moments and fates until its time has ended. Most have no timelines: those may be lost, and are checked in a process of its own.
func losePower(t *testing.T, program, dir string, check func(dir string, acked int) error) {
	t.Helper()
	netlab.RequirePrograms(t, "strace")
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVar+"="+program)
	trace, err := powerloss.Record(dir, cmd)
	must(t, err)
	limit, source := powerTime()
	end := time.Now().Add(limit)
	slices.Sort(trace.Moments)
	moments := slices.Compact(trace.Moments)
	r := rand.New(rand.NewPCG(source, 13))
	distinct := map[uint64]bool{}
	attempts := 0
	var work sync.WaitGroup
	free := make(chan string, 2)
	for range cap(free) {
		free <- inMemory(t)
	}
	for !t.Failed() && time.Now().Before(end) {
		for _, n := range sample(r, len(moments)*len(powerloss.Fates())) {
			if t.Failed() || time.Now().After(end) {
				break
			}
			moment, fate := moments[n/len(powerloss.Fates())], powerloss.Fates()[n%len(powerloss.Fates())]
			image, acked := trace.At(moment, fate, r), trace.Acked(moment)
			attempts++
			key := image.Hash + uint64(acked)
			if distinct[key] {
				continue
			}
			distinct[key] = true
			withTimelines := len(distinct)%10 == 0
			base := <-free
			work.Go(func() {
				defer func() { free <- base }()
				at := filepath.Join(base, "data")
				err := errors.Join(os.RemoveAll(at), os.Mkdir(at, 0o700), image.Write(at))
				if !withTimelines {
					err = errors.Join(err, os.RemoveAll(filepath.Join(at, events.FileName)))
				}
				if err == nil {
					err = check(at, acked)
				}
				if err != nil {
					t.Errorf("power lost at moment %d, %s, after %d acknowledgements: %v", moment, fate, acked, err)
				}
			})
		}
	}
	work.Wait()
	t.Logf("source %d: %d moments, %d syncs, %d acknowledgements; %d losses tried, %d different", source, len(moments), trace.Syncs, len(trace.Acks), attempts, len(distinct))
}

// sample returns some of the numbers below n, in order.
func sample(r *rand.Rand, n int) []int {
	some := r.Perm(n)[:min(n, 400)]
	slices.Sort(some)
	return some
}

// inMemory returns a folder in which a sync costs nothing, where there is one.
func inMemory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "plugtone-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestNoAcknowledgedChangeIsLostWithThePower loses power at every system call of a day.
func TestNoAcknowledgedChangeIsLostWithThePower(t *testing.T) {
	ledgers := after(steps())
	losePower(t, "power day", t.TempDir(), func(dir string, acked int) error {
		got, err := readLedger(dir)
		if err != nil {
			return err
		}
		next := min(acked+1, len(ledgers)-1)
		if !maps.Equal(got.leases, ledgers[acked].leases) && !maps.Equal(got.leases, ledgers[next].leases) {
			return fmt.Errorf("leases are neither those after step %d nor those after the next", acked)
		}
		if !maps.Equal(got.labels, ledgers[acked].labels) && !maps.Equal(got.labels, ledgers[next].labels) {
			return fmt.Errorf("devices are neither those after step %d nor those after the next", acked)
		}
		return checkSnapshots(dir)
	})
}

// checkSnapshots returns an error when a copy of the records is not whole.
func checkSnapshots(dir string) error {
	copies, err := filepath.Glob(filepath.Join(dir, "backups", snapshotPrefix+"*"+snapshotSuffix))
	for _, path := range copies {
		if r := dbfile.CheckFile(path, records.Spec(), nil); !r.Sound {
			err = errors.Join(err, fmt.Errorf("%s: %s", path, r.Damage()))
		}
	}
	return err
}

// putAll stores twenty devices with one label, and as many leases with it as host name.
func putAll(s *Store, label string) error {
	var changes []dhcp.Change
	err := s.Edit("tester", "put", func(e fleet.Edit) error {
		for n := range 20 {
			l := lease(n)
			l.Hostname = label
			changes = append(changes, dhcp.Change{Lease: l})
			if err := e.PutDevice(&fleet.Device{MAC: mac(n), Label: label, Settings: setting.Values{"admin_password": setting.Secret(planted)}}); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, s.WriteLeases(changes))
}

// oneLabel returns the label that all of putAll has.
func oneLabel(dir string) (label string, err error) {
	l, err := readLedger(dir)
	if err != nil {
		return "", err
	}
	for _, label = range l.labels {
		break
	}
	for n := range 20 {
		if l.labels[mac(n)] != label || l.leases[addr(n)].Hostname != label {
			return "", fmt.Errorf("%s has the label %q and the host name %q, others %q", mac(n), l.labels[mac(n)], l.leases[addr(n)].Hostname, label)
		}
	}
	return label, nil
}

// TestAnUpgradeSurvivesALossOfPower migrates records in clear of an earlier schema, which encrypts them, and changes one after it.
func TestAnUpgradeSurvivesALossOfPower(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	must(t, putAll(s, "old"))
	must(t, s.Close())
	must(t, os.Remove(h.path(markerName))) // it would report the next line
	setSchema(t, h.path(records.FileName), 3)
	losePower(t, "power start", h.cfg.Dir, func(dir string, acked int) error {
		label, err := oneLabel(dir)
		if err == nil && label != "old" {
			err = fmt.Errorf("the label is %q", label)
		}
		return err
	})
}

// TestANewKeySurvivesALossOfPower rotates the key.
func TestANewKeySurvivesALossOfPower(t *testing.T) {
	h := newSealedFixture(t)
	s := h.open()
	must(t, putAll(s, "old"))
	must(t, s.Close())
	losePower(t, "power rotate", h.cfg.Dir, func(dir string, acked int) error {
		_, err := oneLabel(dir)
		if b, readErr := os.ReadFile(filepath.Join(dir, seal.FileName)); acked > 0 && bytes.Count(b, []byte("\nplugtone-key-")) != 1 {
			err = errors.Join(err, readErr, errors.New("the older key is not forgotten"))
		}
		return err
	})
}

// TestARestoreSurvivesALossOfPower restores a backup over other records: the directory is the old one or that of the backup, never a mixture.
func TestARestoreSurvivesALossOfPower(t *testing.T) {
	h := newSealedFixture(t)
	s := h.open()
	must(t, putAll(s, "backup"))
	var backup bytes.Buffer
	must(t, s.Backup(&backup, false))
	must(t, putAll(s, "old"))
	must(t, s.Close())
	t.Setenv(backupVar, filepath.Join(t.TempDir(), "backup"))
	must(t, os.WriteFile(os.Getenv(backupVar), backup.Bytes(), 0o600))
	losePower(t, "power restore", h.cfg.Dir, func(dir string, acked int) error {
		label, err := oneLabel(dir)
		if err == nil && acked > 0 && label != "backup" {
			err = fmt.Errorf("after the restore the label is %q", label)
		}
		return err
	})
}
