package recordlog

import (
	"errors"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
	"plugtone/store/etcd/etcdtest"
)

// A store that has lost its data begins with a low revision again.
func TestRunningMemberGoesOnAfterEtcdLostItsData(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	b := newMember(t, e.Client(t), "b")
	b.log.checkEvery = 100 * time.Millisecond
	b.follow()
	for i := range 5 {
		must(t, a.put(20+i, "before"))
	}
	same(t, a, b)
	a.stop()
	e.Lose()
	b.until("notices that etcd has no records", func() bool { return errors.Is(b.log.Status().Problem, ErrNoRecords) })
	a.open()
	must(t, Import(t.Context(), a.log, true, false))
	a.follow()
	b.until("follows again", func() bool { return b.log.Status().Problem == nil })
	must(t, b.put(30, "by b"))
	must(t, a.put(31, "by a"))
	b.until("gets what a writes", func() bool { return b.labels()[31] == "by a" })
	must(t, b.put(32, "by b again"))
	same(t, a, b)
}

// A damaged record that is read while the member runs comes back from etcd, with what was written since the snapshot.
func TestDamagedRecordComesBackWithoutARestart(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	b := newMember(t, e.Client(t), "b")
	b.log.checkEvery = 20 * time.Millisecond
	b.follow()
	must(t, a.put(2, "second"))
	same(t, a, b)
	key := mac(2)
	must(t, dbfile.UpdateLocally(b.file, func(tx dbfile.Tx) error { return tx.Table("devices").PutRecord(key[:], []byte("garbage")) }))
	if err := b.View(func(v fleet.View) error { _, err := v.Device(key); return err }); err == nil {
		t.Fatal("the record is not damaged")
	}
	b.until("has it again", func() bool {
		return b.View(func(v fleet.View) error { _, err := v.Device(key); return err }) == nil && b.labels()[2] == "second"
	})
	must(t, b.put(3, "third"))
	same(t, a, b)
}

// A damaged record of one copy is not lost for the others, and comes back from them.
func TestDamagedRecordIsNotLost(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	must(t, b.put(2, "second"))
	same(t, a, b)
	key := mac(1)
	must(t, dbfile.UpdateLocally(b.file, func(tx dbfile.Tx) error { return tx.Table("devices").PutRecord(key[:], []byte("garbage")) }))
	before := b.log.Status().Snapshot
	if err := b.log.WriteSnapshot(t.Context()); err == nil || !strings.Contains(err.Error(), "1 records of this copy are damaged: it loads") {
		t.Errorf("a snapshot of a copy with a damaged record: %v", err)
	}
	must(t, b.catchUp())
	r, err := b.client.Get(t.Context(), snapshotPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || r.Count != 1 || b.log.Status().Snapshot != before {
		t.Errorf("%d parts of snapshots, %v", r.Count, err)
	}
	must(t, dbfile.UpdateLocally(b.file, func(tx dbfile.Tx) error { return tx.SetAside("devices", key[:]) })) // as a start does
	b.restart()
	b.follow()
	same(t, a, b)
	if b.labels()[1] != "first" {
		t.Error("the damaged record did not come back")
	}
	b.restart()
	b.follow()
	must(t, b.put(3, "third"))
	same(t, a, b)
}
