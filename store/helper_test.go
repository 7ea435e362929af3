package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/fleet"
	"plugtone/store/storetest"
)

// checkArg makes this test binary the checker of one file.
const checkArg = "check-file"

// childVar names the part that this test binary plays when it was started by a test.
const childVar = "PLUGTONE_STORE_CHILD"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == checkArg {
		sound, err := CheckInherited(os.Stdout, os.Args[2])
		if err != nil || !sound {
			os.Exit(1)
		}
		return
	}
	if part := os.Getenv(childVar); part != "" {
		child(part, os.Args[len(os.Args)-1])
		return
	}
	netlab.AtOnce(6) // most wait for a disk
	os.Exit(m.Run())
}

// fixture is a data directory with what a Store needs around it.
type fixture struct {
	t   *testing.T
	cfg Config
	log *safeBuffer
	now time.Time
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var (
	startOfTime = storetest.Start
	mac         = storetest.MAC
	addr        = storetest.Addr
	lease       = storetest.Lease
)

func must(t testing.TB, err error) { t.Helper(); storetest.Must(t, err) }

func newFixture(t *testing.T) *fixture {
	h := &fixture{t: t, log: &safeBuffer{}, now: startOfTime}
	h.cfg = Config{Dir: t.TempDir(), Now: func() time.Time { return h.now },
		Log: slog.New(slog.NewTextHandler(h.log, nil)), Registerer: prometheus.NewRegistry(),
		CheckCommand: []string{os.Args[0], checkArg}}
	h.cfg.setDefaults()
	return h
}

func (h *fixture) open() *Store {
	h.t.Helper()
	s, err := Open(h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { s.Close() })
	return s
}

func (h *fixture) restoreConfig() RestoreConfig {
	return RestoreConfig{Dir: h.cfg.Dir, Now: h.now, Log: h.cfg.Log}
}

func (h *fixture) restore(backup []byte) {
	h.t.Helper()
	_, err := Restore(bytes.NewReader(backup), h.restoreConfig())
	must(h.t, err)
}

func (h *fixture) path(name string) string { return h.cfg.Dir + "/" + name }

func putDevices(t *testing.T, s *Store, devices ...*fleet.Device) {
	t.Helper()
	must(t, s.Edit("tester", "put", func(e fleet.Edit) error {
		for _, d := range devices {
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	}))
}

func leasesOf(t *testing.T, s *Store) map[netip.Addr]dhcp.Lease {
	t.Helper()
	found := map[netip.Addr]dhcp.Lease{}
	must(t, s.LoadLeases(func(l dhcp.Lease) error { found[l.Addr] = l; return nil }))
	return found
}

// setSchema writes the version of a file's schema, as plugtone did before it had a checksum.
func setSchema(t testing.TB, path string, version uint64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, version))
	}))
	must(t, db.Close())
}

// usedBytes returns how much of a bbolt file has been in use.
func usedBytes(t testing.TB, path string) (n int64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	must(t, err)
	must(t, db.View(func(tx *bolt.Tx) error { n = tx.Size(); return nil }))
	must(t, db.Close())
	return n
}

// removeMeta removes a record about a file.
func removeMeta(t testing.TB, path, key string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte(key)) }))
	must(t, db.Close())
}

// oldDirectory is a data directory that a plugtone from before the checksums left behind.
func oldDirectory(t *testing.T) *fixture {
	t.Helper()
	h := newFixture(t)
	f, err := os.Open("testdata/without-checksums.tar.gz")
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if err == io.EOF {
			return h
		}
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(h.path(head.Name), b, 0o600))
	}
}

// inMemory puts the data directory on a tmpfs, where a sync costs nothing.
func (h *fixture) inMemory() {
	if unix.Mount("plugtone", h.cfg.Dir, "tmpfs", 0, "") == nil {
		h.t.Cleanup(func() { _ = unix.Unmount(h.cfg.Dir, unix.MNT_DETACH) })
	}
}

// crashed copies the data directory as a killed process leaves it.
func (h *fixture) crashed() *fixture {
	h.t.Helper()
	c := newFixture(h.t)
	must(h.t, os.CopyFS(c.cfg.Dir, os.DirFS(h.cfg.Dir)))
	return c
}
