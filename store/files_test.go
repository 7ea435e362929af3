package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// fullFixture has something in each file, a snapshot of the first device only, and is closed.
func fullFixture(t *testing.T) *fixture {
	h := newFixture(t)
	s := h.open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), ReservedIP: addr(1)})
	must(t, s.Snapshot())
	var many []*fleet.Device
	for i := range 200 {
		many = append(many, &fleet.Device{MAC: mac(i + 2), Notes: strings.Repeat("n", 300)})
	}
	many[7].Notes = strings.Repeat("overflow", 2000)
	putDevices(t, s, many...)
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(1)}, {Lease: lease(2)}}))
	s.SeePhone(fleet.Discovered{MAC: mac(9)})
	must(t, s.Close())
	return h
}

func (h *fixture) devices(s *Store) int {
	n := 0
	must(h.t, s.View(func(f fleet.View) error {
		for _, err := range f.Devices(dhcp.MAC{}) {
			must(h.t, err)
			n++
		}
		return nil
	}))
	return n
}

func TestFilesAreForTheDaemonAlone(t *testing.T) {
	h := newFixture(t)
	must(t, os.WriteFile(h.path(leaseFile), nil, 0o644))
	s := h.open()
	must(t, s.Snapshot())
	if len(s.Sizes()) != 4 {
		t.Errorf("sizes %v", s.Sizes())
	}
	for _, pattern := range []string{"*.db", "*.journal", "backups/*.db"} {
		paths, _ := filepath.Glob(h.path(pattern))
		if len(paths) == 0 {
			t.Errorf("no %s", pattern)
		}
		for _, p := range paths {
			if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", p, info.Mode(), err)
			}
		}
	}
}

func TestASoundFilePassesItsCheck(t *testing.T) {
	h := fullFixture(t)
	s := h.open()
	if n := h.devices(s); n != 201 || len(s.Notices()) != 0 || len(leasesOf(t, s)) != 2 || s.DiscoveredCount() != 1 {
		t.Errorf("%d devices, notices %q", n, s.Notices())
	}
}

// TestDamageIsSetAside damages one file in each way; the other two must be as they were, and the damage must be said.
func TestDamageIsSetAside(t *testing.T) {
	damages := map[string]func(b []byte) []byte{
		"cut in half":       func(b []byte) []byte { return b[:len(b)/2] },
		"cut to one page":   func(b []byte) []byte { return b[:4096] },
		"cut to 10 bytes":   func(b []byte) []byte { return b[:10] },
		"garbage":           func(b []byte) []byte { return bytes.Repeat([]byte("garbage!"), 4096) },
		"zeros":             func(b []byte) []byte { return make([]byte, len(b)) },
		"data pages zeroed": func(b []byte) []byte { clear(b[2*4096:]); return b },
	}
	for what, damage := range damages {
		for _, name := range []string{fleetFile, leaseFile, eventFile} {
			t.Run(what+" "+name, func(t *testing.T) {
				h := fullFixture(t)
				b, err := os.ReadFile(h.path(name))
				must(t, err)
				if what == "cut in half" { // bbolt grows files ahead of their use
					m, err := newestMeta(bytes.NewReader(b), int64(len(b)))
					must(t, err)
					b = b[:int(m.pages)*m.pageSize]
				}
				b = damage(b)
				must(t, os.WriteFile(h.path(name), b, 0o600))
				s := h.open()
				wantDevices, wantLeases, wantSeen := 201, 2, 1
				switch name {
				case fleetFile:
					wantDevices = 1 // the snapshot's
				case leaseFile:
					wantLeases = 2 // the journal's
				case eventFile:
					wantSeen = 0
				}
				if d, l, e := h.devices(s), len(leasesOf(t, s)), s.DiscoveredCount(); d != wantDevices || l != wantLeases || e != wantSeen {
					t.Errorf("%d devices, %d leases, %d discovered", d, l, e)
				}
				aside, _ := filepath.Glob(h.path(name + ".damaged-*"))
				if len(aside) != 1 {
					t.Fatalf("set aside: %v", aside)
				}
				if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, b) {
					t.Errorf("what was set aside is not what was there: %v", err)
				}
				if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], aside[0]) || !strings.Contains(h.log.String(), name+".damaged-") {
					t.Errorf("notices %q, log %s", n, h.log)
				}
				if _, ok := s.Reserved(mac(1)); !ok {
					t.Error("the reservation is lost")
				}
				putDevices(t, s, &fleet.Device{MAC: mac(1000)})
				must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(3)}}))
			})
		}
	}
}

func TestNewestGoodSnapshotIsUsed(t *testing.T) {
	h := newFixture(t)
	s := h.open()
	for i := range 3 {
		putDevices(t, s, &fleet.Device{MAC: mac(i + 1)})
		must(t, s.Snapshot())
		h.now = h.now.Add(time.Hour)
	}
	must(t, s.Close())
	snaps := s.snapshots()
	must(t, os.Truncate(snaps[0], 5000))
	must(t, os.WriteFile(h.path(fleetFile), []byte("garbage"), 0o600))
	s = h.open()
	if n := h.devices(s); n != 2 || s.Revision() != 2 {
		t.Errorf("%d devices at revision %d", n, s.Revision())
	}
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], snaps[0]+" can't be used") || !strings.Contains(n[0], snaps[1]+" took its place") {
		t.Errorf("notices %q", n)
	}
}

func TestNoSnapshotAtAll(t *testing.T) {
	h := newFixture(t)
	must(t, os.WriteFile(h.path(fleetFile), []byte("garbage"), 0o600))
	s := h.open()
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "starts empty") {
		t.Errorf("notices %q", n)
	}
}

func TestAMissingFileWithSnapshotsIsSaid(t *testing.T) {
	h := fullFixture(t)
	must(t, os.Remove(h.path(fleetFile)))
	s := h.open()
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "missing or empty") || h.devices(s) != 0 {
		t.Errorf("notices %q", n)
	}
}

// TestNoDamageEndsTheProcess changes single bytes of the pages in use. The check may find nothing (a letter of a label),
// but what it lets pass bbolt must be able to open and walk. A fault here ends the test binary, as it would the daemon.
func TestNoDamageEndsTheProcess(t *testing.T) {
	h := fullFixture(t)
	sound, err := os.ReadFile(h.path(fleetFile))
	must(t, err)
	m, err := newestMeta(bytes.NewReader(sound), int64(len(sound)))
	must(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	found, used := 0, int(m.pages)*m.pageSize
	sound = sound[:used]
	for i := range 400 {
		b := bytes.Clone(sound)
		for range 1 + i%3 {
			at := random.IntN(used)
			if i%2 == 0 { // headers and elements are the dangerous part of a page
				at = at/m.pageSize*m.pageSize + random.IntN(64)
			}
			b[at] ^= byte(1 + random.IntN(255))
		}
		if err := checkPages(bytes.NewReader(b), int64(len(b))); err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatalf("%v is not said to be damage", err)
			}
			found++
			continue
		}
		path := filepath.Join(t.TempDir(), "x.db")
		must(t, os.WriteFile(path, b, 0o600))
		db, err := openBolt(path, true, 0)
		must(t, err)
		err = db.View(func(tx *bolt.Tx) error { return walkAll(tx) })
		must(t, errors.Join(err, db.Close()))
	}
	if found < 100 {
		t.Errorf("only %d of 400 damages were found", found)
	}
}

func walkAll(tx *bolt.Tx) error {
	return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			binary.BigEndian.AppendUint64(append([]byte(nil), v...), uint64(len(k)))
			return nil
		})
	})
}

func TestDeepNestingAndLoopsAreDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := openBolt(path, true, 0)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("b"))
		if err != nil {
			return err
		}
		inner, err := b.CreateBucket([]byte("inner"))
		for i := 0; err == nil && i < 1000; i++ {
			err = errors.Join(b.Put(fmt.Append(nil, "k", i), bytes.Repeat([]byte("v"), 50)), inner.Put(fmt.Append(nil, i), nil))
		}
		return err
	}))
	must(t, db.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, checkPages(bytes.NewReader(b), int64(len(b))))
	branches := 0
	for at := 2 * 4096; at < len(b); at += 4096 {
		if binary.NativeEndian.Uint16(b[at+8:]) != branchPage {
			continue
		}
		branches++
		loop := bytes.Clone(b)
		copy(loop[at+pageHeaderLen+8:at+pageHeaderLen+16], b[at:at+8]) // its first child is itself
		if err := checkPages(bytes.NewReader(loop), int64(len(b))); !errors.Is(err, errDamaged) && err != nil {
			t.Errorf("a loop: %v", err)
		}
	}
	if branches == 0 {
		t.Error("no branch page to damage")
	}
}

type failingReader struct{}

func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestADiskThatCantBeReadIsNoDamage(t *testing.T) {
	if err := checkPages(failingReader{}, 1<<20); errors.Is(err, errDamaged) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

func TestNewerFileIsRefused(t *testing.T) {
	for name, known := range restorable() {
		h := fullFixture(t)
		db, err := openBolt(h.path(name), false, 0)
		must(t, err)
		must(t, db.Update(func(tx *bolt.Tx) error { return setMetaNumber(tx, keySchema, 99) }))
		must(t, db.Close())
		before, _ := os.ReadFile(h.path(name))
		_, err = Open(h.cfg)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s has schema 99, this plugtone knows up to %d", h.path(name), len(known))) {
			t.Errorf("got %v", err)
		}
		if after, _ := os.ReadFile(h.path(name)); !bytes.Equal(before, after) {
			t.Errorf("%s was touched", name)
		}
	}
}

func TestMigration(t *testing.T) {
	h := fullFixture(t)
	h.cfg.Registerer = nil
	s := &Store{cfg: h.cfg, metrics: newMetrics(), reserved: newReservations()}
	rename := func(tx *bolt.Tx) error { // schema 2: all labels in capitals
		b := tx.Bucket(bucketDevices)
		d, err := decodeDevice(b.Get(append([]byte(nil), 0, 0x15, 0x65, 0, 0, 1)))
		if err != nil {
			return err
		}
		d.Label = "MIGRATED"
		v, err := encodeDevice(d)
		return errors.Join(err, b.Put(d.MAC[:], v))
	}
	wrong := errors.New("wrong")
	fails := func(tx *bolt.Tx) error { return errors.Join(tx.DeleteBucket(bucketDevices), wrong) }

	_, err := s.openFile(spec{name: fleetFile, schema: append(fleetSchema(), rename, fails)})
	if !errors.Is(err, wrong) || !strings.Contains(err.Error(), "from schema 2 to 3") {
		t.Fatalf("got %v", err)
	}
	f, err := s.openFile(spec{name: fleetFile, schema: append(fleetSchema(), rename)})
	must(t, err)
	must(t, f.view(func(tx *bolt.Tx) error {
		d, err := view{tx}.Device(mac(1))
		if err != nil || d.Label != "MIGRATED" || schemaOf(tx) != 2 {
			t.Errorf("%+v, %v, schema %d", d, err, schemaOf(tx))
		}
		return nil
	}))
	must(t, f.db.Close())
	copies, _ := filepath.Glob(h.path("backups/plugtone.db.schema-1-*"))
	if len(copies) != 1 {
		t.Fatalf("copies: %v", copies)
	}
	db, err := openBolt(copies[0], false, 0)
	must(t, err)
	must(t, db.View(func(tx *bolt.Tx) error {
		if d, err := (view{tx}).Device(mac(1)); err != nil || d.Label != "" || schemaOf(tx) != 1 {
			t.Errorf("the copy is not what was before: %+v, %v", d, err)
		}
		return nil
	}))
	must(t, db.Close())
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := Open(Config{TimelineEntries: -1}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v", err)
	}
	h := newFixture(t)
	must(t, os.WriteFile(h.path("backups"), nil, 0o600))
	if _, err := Open(h.cfg); err == nil || !strings.Contains(err.Error(), h.path("backups")) {
		t.Errorf("got %v", err)
	}
}
