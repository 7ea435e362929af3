package recordlog

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
	"plugtone/store/dbfile"
	"plugtone/store/etcd"
	"plugtone/store/etcd/etcdtest"
)

func TestEachMemberHasWhatOthersWrite(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	same(t, a, b)
	if got := b.labels()[1]; got != "first" {
		t.Errorf("b has the label %q of what was imported", got)
	}
	must(t, a.put(2, "by a"))
	must(t, b.put(3, "by b"))
	must(t, b.PutToken("tester", fleet.Token{Name: "script", Hash: "abc"}))
	_, err := b.UpdateWindows(func(w []trust.EnrollmentWindow) ([]trust.EnrollmentWindow, error) {
		return append(w, trust.EnrollmentWindow{MACs: []dhcp.MAC{mac(9)}}), nil
	})
	must(t, err)
	a.until("has what b wrote", func() bool { w, _ := a.LoadWindows(); return len(w) == 1 })
	same(t, a, b)
	if _, err := a.TokenByHash("abc"); err != nil {
		t.Error("a token of b:", err)
	}
	if ip, ok := a.Reserved(mac(3)); !ok || ip != addr(3) {
		t.Errorf("a has the reservation %v of a device that b wrote", ip)
	}
	if a.Revision() != b.Revision() || a.Revision() != 3 {
		t.Errorf("revisions %d and %d", a.Revision(), b.Revision())
	}
	must(t, a.Edit("tester", "remove", func(e fleet.Edit) error { return e.DeleteDevice(mac(3)) }))
	b.until("lacks what a removed", func() bool { _, ok := b.Reserved(mac(3)); return !ok && b.Revision() == 4 })
	same(t, a, b)
	if s := b.log.Status(); s.Applied != s.Head || s.Synced.IsZero() {
		t.Errorf("status %+v", s)
	}
}

func TestWritesOnBothMembersAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	var writers sync.WaitGroup
	const each = 60
	for i, m := range all {
		writers.Go(func() {
			for n := range each {
				err := etcd.ErrUnavailable
				for try := 0; errors.Is(err, etcd.ErrUnavailable) && try < 10; try++ { // on a busy machine
					err = m.put(100+i*each+n, m.name)
				}
				if err != nil {
					t.Error(m.name, err)
				}
			}
		})
	}
	writers.Wait()
	same(t, all...)
	if got := len(all[0].labels()); got != 1+2*each {
		t.Errorf("%d devices, want %d", got, 1+2*each)
	}
}

func TestOfTwoWritersWithOneIfMatchOneIsRefused(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	errMoved := errors.New("another revision")
	var outcomes sync.Map
	for round := range 20 {
		same(t, all...)
		was := all[0].Revision()
		var writers sync.WaitGroup
		for _, m := range all {
			writers.Go(func() {
				outcomes.Store(m.name, m.Edit("tester", "put", func(e fleet.Edit) error {
					if e.Revision() != was {
						return errMoved
					}
					return e.PutDevice(&fleet.Device{MAC: mac(1), Label: fmt.Sprint(m.name, round)})
				}))
			})
		}
		writers.Wait()
		refused := 0
		outcomes.Range(func(name, err any) bool {
			if err != nil {
				refused++
				if !errors.Is(err.(error), errMoved) {
					t.Errorf("%s: %v", name, err)
				}
			}
			return true
		})
		if refused != 1 {
			t.Fatalf("round %d: %d writers were refused, want 1", round, refused)
		}
	}
}

// manyDevices changes n devices in one edit.
func (m *member) manyDevices(n int, label string) error {
	return m.Edit("tester", "many", func(e fleet.Edit) error {
		for i := range n {
			d := &fleet.Device{MAC: mac(10_000 + i), Label: label, Settings: setting.Values{"admin_password": setting.Secret(fmt.Sprintf("geheim-%x", i*2654435761))}}
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestLargeChangeIsVisibleAtOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	const n = 10_000
	must(t, a.manyDevices(n, "old"))
	if got := e.Ctl("get", "--prefix", "--keys-only", "/plugtone/"+stagedPrefix); strings.Count(got, "/plugtone/") < 3 {
		t.Fatalf("the change was not staged in parts: %s", got)
	}
	b.until("has all devices", func() bool { return b.Revision() == a.Revision() })
	same(t, a, b)
	// A member that dies between its parts and the entry.
	killed := newMember(t, e.Client(t), "killed")
	killed.follow()
	killed.log.Etcd = interruptedWhileStaging(t, e, a)
	if err := killed.manyDevices(n, "new"); err == nil {
		t.Error("a change is confirmed although etcd was cut off while it was staged")
	}
	killed.stop()
	must(t, b.put(1, "afterwards"))
	same(t, a, b)
	for mac, label := range b.labels() {
		if label == "new" {
			t.Fatalf("device %d has the label of a change that was not completed", mac)
		}
	}
	must(t, a.log.WriteSnapshot(t.Context()))
	if got := e.Ctl("get", "--prefix", "--keys-only", "/plugtone/"+snapshotPrefix); strings.Count(got, "/plugtone/") < 3 {
		t.Fatalf("the snapshot has too few parts: %s", got)
	}
	c := newMember(t, e.Client(t), "c").follow()
	same(t, a, c)
}

func TestNothingSecretIsReadableInEtcd(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	const secret = "geheim-in-klartext"
	must(t, all[0].Edit("tester", "put", func(ed fleet.Edit) error {
		return errors.Join(
			ed.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: secret}),
			ed.PutDevice(&fleet.Device{MAC: mac(1), Label: secret, Settings: setting.Values{"admin_password": setting.Secret(secret)}}))
	}))
	must(t, all[1].manyDevices(5000, secret))
	must(t, all[0].catchUp())
	must(t, all[0].log.WriteSnapshot(t.Context()))
	found := e.Ctl("get", "--prefix", "/")
	if len(found) < 100_000 || strings.Contains(found, secret) || strings.Contains(found, "geheim-") || strings.Contains(found, "1001") && strings.Contains(found, "main") {
		t.Errorf("etcd has %d bytes, and the secret: %v", len(found), strings.Contains(found, secret))
	}
	if _, err := open(ownKey(all[0]), [][]byte{clusterKey.Seal([]byte("x"), []byte("entry"))}, func(int) string { return "entry" }); err == nil {
		t.Error("another key opens what is in etcd")
	}
}

func TestCopyCatchesUpAfterLostWatchCompactionAndLostEntries(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	b.stop()
	for i := range 5 {
		must(t, a.put(20+i, "while b was away"))
	}
	r, err := a.client.Get(t.Context(), headKey)
	must(t, err)
	e.Ctl("compact", fmt.Sprint(r.Header.Revision))
	b.open()
	b.follow()
	same(t, a, b)
	b.stop()
	for i := range 5 {
		must(t, a.put(30+i, "again"))
	}
	must(t, a.log.WriteSnapshot(t.Context()))
	must(t, a.put(40, "after the snapshot"))
	s := a.log.Status()
	_, err = a.client.Delete(t.Context(), logPrefix, clientv3.WithRange(logKey(s.Head)))
	must(t, err)
	b.open()
	b.follow()
	same(t, a, b)
	if ip, ok := b.Reserved(mac(40)); !ok || ip != addr(40) {
		t.Error("a reservation is missing in memory after the snapshot was loaded")
	}
	must(t, b.put(50, "by b"))
	same(t, a, b)
}

func TestSnapshotIsWrittenByWhoAddsEntry1000(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	for i := range snapshotEvery + 5 {
		must(t, a.put(1, fmt.Sprint(i)))
	}
	a.until("has written a snapshot", func() bool {
		return strings.HasPrefix(a.log.Status().Snapshot, fmt.Sprintf("%013x", snapshotEvery>>12)) && a.log.Status().Snapshot > fmt.Sprintf("%016x", snapshotEvery-1)
	})
	a.until("has removed old entries", func() bool {
		r, err := a.client.Get(t.Context(), logPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err == nil && r.Count < snapshotEvery/2
	})
	b := newMember(t, e.Client(t), "b").follow()
	same(t, a, b)
}

func TestWithoutEtcdReadsGoOnAndWritesAreRefused(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	e.Signal(0, syscall.SIGSTOP)
	err := a.put(2, "lost?")
	if !errors.Is(err, dbfile.ErrOutcomeUnknown) || !errors.Is(err, fleet.ErrInternal) {
		t.Errorf("a write while etcd hangs: %v", err)
	}
	if a.file.Health() != nil {
		t.Error("a write that waits for etcd counts as a fault of the disk:", a.file.Health())
	}
	a.connected = func() error { return errors.New("etcd does not answer") }
	if err := a.put(3, "refused"); err == nil || !strings.Contains(err.Error(), "records can't be changed now: etcd does not answer") {
		t.Errorf("a write without etcd: %v", err)
	}
	must(t, a.SaveResets(trust.ResetState{}))
	if a.labels()[1] != "first" {
		t.Error("a device can't be read")
	}
	a.restart()
	a.start()
	if a.labels()[1] != "first" {
		t.Error("a device can't be read after a restart without etcd")
	}
	e.Signal(0, syscall.SIGCONT)
	a.until("follows again", func() bool { return a.log.Status().Problem == nil })
	a.connected = func() error { return nil }
	must(t, a.put(4, "again"))
	must(t, b.put(5, "too"))
	same(t, a, b)
}

func TestAcceptedWriteIsNotLostWhenTheMemberDiesBeforeItsCommit(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	a.stop()
	a.commit = func(func() error) error { return syscall.EIO }
	a.open()
	a.log.Records.Replicate(a.log, nil)
	_, err := a.log.pull(t.Context())
	must(t, err)
	a.log.following(time.Now(), a.log.Log)
	if err := a.put(2, "accepted"); !errors.Is(err, dbfile.ErrOutcomeUnknown) {
		t.Fatalf("a commit that fails after the others have the change: %v", err)
	}
	b.until("has it", func() bool { return b.labels()[2] == "accepted" })
	a.commit = nil
	a.restart()
	a.follow()
	same(t, a, b)
}

func TestWriteWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a := newMember(t, e.Client(t), "c").follow()
	for i := range 20 {
		proxy := interrupted(t, e, i%4)
		a.log.Etcd = proxy
		err := a.put(200+i, "x")
		if err != nil && !errors.Is(err, dbfile.ErrOutcomeUnknown) && !errors.Is(err, fleet.ErrInternal) {
			t.Errorf("write %d: %v", i, err)
		}
		a.log.Etcd = a.client
		must(t, a.catchUp())
		_, made := a.labels()[200+i]
		if err == nil && !made {
			t.Errorf("write %d is confirmed and lost", i)
		}
	}
	same(t, append(all, a)...)
}

func TestCopyThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	own := newMember(t, e.Client(t), "own")
	must(t, own.put(7, "own"))
	if err := CheckCopy(own.DB); !errors.Is(err, ErrForeign) {
		t.Errorf("records of its own: %v", err)
	}
	empty := newMember(t, e.Client(t), "empty")
	must(t, CheckCopy(empty.DB))
	if _, err := empty.log.pull(t.Context()); !errors.Is(err, ErrNoRecords) {
		t.Errorf("an etcd without records: %v", err)
	}
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	if err := Join(t.Context(), own.log, false); !errors.Is(err, ErrForeign) {
		t.Errorf("join with records: %v", err)
	}
	must(t, Join(t.Context(), own.log, true))
	same(t, a, own)
	if err := Import(t.Context(), own.log, true, false); !errors.Is(err, ErrHasRecords) {
		t.Errorf("a second import: %v", err)
	}
	// etcd loses its data; b has one entry more than a when a's copy is imported.
	a.stop()
	must(t, b.put(2, "only b"))
	_, err := b.client.Delete(t.Context(), "records/", clientv3.WithPrefix())
	must(t, err)
	b.until("has stopped", func() bool { return errors.Is(b.log.Status().Problem, ErrNoRecords) })
	if err := b.put(3, "x"); err == nil {
		t.Error("a write is confirmed although etcd has no records")
	}
	a.open()
	if err := Import(t.Context(), a.log, false, false); err == nil {
		t.Error("a copy was imported without restore")
	}
	must(t, Import(t.Context(), a.log, true, false))
	a.follow()
	b.until("has noticed", func() bool { return errors.Is(b.log.Status().Problem, ErrDiverged) })
	must(t, a.put(4, "entry that b has another of"))
	must(t, a.put(5, "and one more"))
	b.until("has noticed", func() bool { return errors.Is(b.log.Status().Problem, ErrDiverged) })
	b.restart()
	must(t, Join(t.Context(), b.log, true))
	b.follow()
	own.follow()
	same(t, a, b, own)
}

func TestNewerSchemaStopsOlderMembers(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	h, rev := a.log.lastHead()
	x := entry{seq: h.Seq + 1, ID: newID(h.Seq + 1), Prev: h.ID, Schema: schema() + 1, Member: "newer", data: []byte("x")}
	h.Seq, h.ID, h.Schema = x.seq, x.ID, x.Schema
	must(t, a.log.add(t.Context(), x, h, rev))
	a.until("has stopped", func() bool { return errors.Is(a.log.Status().Problem, ErrNewer) })
	if err := a.put(2, "x"); err == nil || !strings.Contains(err.Error(), "newer plugtone") {
		t.Errorf("a write: %v", err)
	}
	if a.labels()[1] != "first" {
		t.Error("reads do not go on")
	}
}
