package recordlog

import (
	"errors"
	"testing"
	"time"

	"plugtone/store/etcd/etcdtest"
)

// A store that has lost its data begins with a low revision again.
func TestRunningMemberGoesOnAfterEtcdLostItsData(t *testing.T) {
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
