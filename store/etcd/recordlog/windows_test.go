package recordlog

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"plugtone/provision/trust"
	"plugtone/store/etcd/etcdtest"
	"plugtone/store/records"
)

// A window that another member opens meanwhile is read again while this one still holds the lock of its windows.
func TestWindowsOnBothMembersAtOnce(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	b := newMember(t, e.Client(t), "b")
	var saving sync.Mutex
	reloaded := make(chan int, 10)
	records.Copy{DB: b.DB}.Replicate(b.log, func() {
		saving.Lock()
		defer saving.Unlock()
		all, _ := b.LoadWindows()
		reloaded <- len(all)
	})
	_, err := b.log.pull(t.Context())
	must(t, err)
	b.log.following(time.Now(), b.log.Log)
	<-reloaded
	open := func(from string) func([]trust.EnrollmentWindow) ([]trust.EnrollmentWindow, error) {
		return func(all []trust.EnrollmentWindow) ([]trust.EnrollmentWindow, error) {
			w := trust.Window{From: netip.MustParsePrefix(from), Until: time.Now().Add(time.Hour)}
			return append(all, trust.EnrollmentWindow{Window: w, Opened: time.Now()}), nil
		}
	}
	_, err = a.UpdateWindows(open("10.1.0.0/16"))
	must(t, err)
	done := make(chan error)
	go func() {
		saving.Lock()
		defer saving.Unlock()
		all, err := b.UpdateWindows(open("10.2.0.0/16"))
		if len(all) != 2 {
			t.Errorf("%d windows", len(all))
		}
		done <- err
	}()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(time.Minute):
		t.Fatal("the write waits for itself")
	}
	if n := <-reloaded; n != 2 {
		t.Errorf("%d windows are read again", n)
	}
	same(t, a, b)
}
