package recordlog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/provision/fleet"
	"plugtone/store/etcd"
	"plugtone/store/etcd/etcdtest"
)

// staged returns how many parts of entries etcd has.
func staged(t *testing.T, m *member) int64 {
	t.Helper()
	r, err := m.client.Get(t.Context(), stagedPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	must(t, err)
	return r.Count
}

func TestASnapshotThatFailedIsWrittenLater(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	a.restart()
	a.log.snapshotRetry = 20 * time.Millisecond
	working := a.log.Etcd
	a.log.Etcd = etcdtest.Client(t, "http://127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	tried := make(chan struct{})
	go func() { defer close(tried); upkeep(ctx, a.log) }()
	a.log.wantSnapshot()
	a.until("has tried", func() bool { return len(a.log.due) == 0 })
	cancel()
	<-tried
	a.until("wants it again", func() bool { return len(a.log.due) == 1 })
	a.log.Etcd = working
	before := a.log.Status().Snapshot
	a.follow()
	a.until("has written it", func() bool { h, _, _, err := a.log.readHead(t.Context()); return err == nil && h.Snapshot > before })
}

func TestAbandonedPartsAreRemoved(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	must(t, a.manyDevices(6000, "made"))
	made := staged(t, a)
	if made < 2 {
		t.Fatalf("%d parts", made)
	}
	killed := newMember(t, e.Client(t), "killed").follow()
	killed.log.Etcd = interruptedWhileStaging(t, e, a)
	if err := killed.manyDevices(6000, "not made"); err == nil {
		t.Fatal("confirmed")
	}
	killed.stop()
	with := staged(t, a)
	if with == made {
		t.Fatal("the member that was cut off has left no parts")
	}
	must(t, removeAbandoned(t.Context(), b.log))
	if n := staged(t, a); n != with {
		t.Errorf("%d of %d parts are left while they may belong to a write under way", n, with)
	}
	must(t, b.put(2, "takes the number"))
	must(t, removeAbandoned(t.Context(), b.log))
	if n := staged(t, a); n != made {
		t.Errorf("%d parts, want the %d of the change that was made", n, made)
	}
	same(t, a, b, newMember(t, e.Client(t), "c").follow())
}

// A member writes only while all registered members have its schema, and it is known which there are.
func TestNoWriteWhileAMemberHasAnOlderSchema(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	for name, tt := range map[string]struct {
		others []etcd.Member
		want   string
	}{
		"older":     {[]etcd.Member{{Name: "a", Schema: schema()}, {Name: "b", Version: "1.2.0", Schema: schema() - 1}}, "member b runs plugtone 1.2.0, whose records have the older schema"},
		"not known": {nil, "it is not known yet which members the cluster has"},
	} {
		a.others = tt.others
		err := a.put(2, name)
		if err == nil || !strings.Contains(err.Error(), "records can't be changed now: "+tt.want) || !errors.Is(err, fleet.ErrInternal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h, _, _, err := a.log.readHead(t.Context()); err != nil || h.Seq != 0 {
		t.Errorf("the log has %d entries, %v", h.Seq, err)
	}
	a.others = []etcd.Member{{Name: "a", Schema: schema()}, {Name: "b", Schema: schema()}, {Name: "c", Schema: schema() + 1}}
	must(t, a.put(2, "all have it"))
}

// A rolling upgrade to a release with another schema. Meanwhile the older member makes changes, which the newer one has, and the newer one makes
// none: it would stop the older one. When all have the new schema all make changes, and a member that goes back to the older release stops.
func TestRollingUpgradeToAnotherSchema(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	registered := func() {
		for _, m := range all {
			m.others = []etcd.Member{{Name: "a", Schema: a.schema}, {Name: "b", Schema: b.schema, Version: "1.2.0"}}
		}
	}
	upgrade := func(m *member) {
		m.stop()
		m.schema++
		registered()
		m.open()
		m.follow()
	}
	registered()
	must(t, b.put(2, "both are old"))
	upgrade(a)
	must(t, b.put(3, "of the older member"))
	same(t, a, b)
	if err := a.put(4, "x"); err == nil || !strings.Contains(err.Error(), "member b runs plugtone 1.2.0, whose records have the older schema") {
		t.Errorf("a change of the newer member: %v", err)
	}
	must(t, b.put(5, "the older member goes on"))
	upgrade(b)
	must(t, a.put(6, "both are new"))
	must(t, b.put(7, "both are new"))
	same(t, a, b)

	b.stop()
	b.schema--
	b.open()
	b.start()
	must(t, a.put(8, "of the newer member")) // the registry has not changed yet
	b.until("has stopped", func() bool { return errors.Is(b.log.Status().Problem, ErrNewer) })
	if b.labels()[7] != "both are new" || b.labels()[8] != "" {
		t.Errorf("%v", b.labels())
	}
}

// Entries of an older schema are applied as they are. A release with another schema needs a conversion of them in Log.changes, and of snapshots.
func TestEntriesHaveOneSchema(t *testing.T) {
	t.Parallel()
	if schema() != 4 {
		t.Error("convert entries and snapshots of the schema before in Log.changes and Log.loadSnapshot, with a test, then raise the number here")
	}
}
