package recordlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/provision/fleet"
	"plugtone/store/etcd"
	"plugtone/store/etcd/etcdtest"
)

// Another member that adds an entry during each run of a change holds it up a few times only.
func TestAChangeComesAfterOthersAFewTimesOnly(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	runs, small := 0, make(chan error, 1)
	err := a.Edit("tester", "large", func(ed fleet.Edit) error {
		if runs++; a.log.own() == "" {
			must(t, b.put(2, fmt.Sprint("small ", runs)))
		} else {
			go func() { small <- b.put(3, "waits") }()
		}
		return ed.PutDevice(&fleet.Device{MAC: mac(10), Label: "large"})
	})
	if err != nil || runs != triesBeforeTurn+1 {
		t.Fatalf("the change ran %d times: %v", runs, err)
	}
	must(t, <-small)
	same(t, a, b)
	if b.labels()[10] != "large" || a.labels()[3] != "waits" {
		t.Errorf("%v", a.labels())
	}
	r, err := a.client.Get(t.Context(), turnKey)
	if err != nil || len(r.Kvs) != 0 {
		t.Errorf("the turn has not ended: %v, %v", r.Kvs, err)
	}
}

// While another member has the turn, nothing is added, and the refusal names it.
func TestNoEntryDuringTheTurnOfAnotherMember(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	all := newCluster(t, e, "a", "b")
	a, b := all[0], all[1]
	end := takeTurn(b.log)
	if end == nil || takeTurn(a.log) != nil {
		t.Fatal("the turn is not one member's")
	}
	if err := a.put(2, "x"); err == nil || !errors.Is(err, fleet.ErrInternal) || !strings.Contains(err.Error(), "member b makes a large change") {
		t.Errorf("%v", err)
	}
	must(t, b.put(2, "by b"))
	end()
	must(t, a.put(3, "by a"))
	same(t, a, b)
	// A turn that has ended by itself holds up no one.
	if takeTurn(a.log) == nil {
		t.Fatal("the turn is not free")
	}
	if _, err := a.client.Delete(t.Context(), turnKey, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	must(t, a.put(4, "afterwards"))
	must(t, b.put(5, "too"))
	same(t, a, b)
}

// A turn that was taken without an answer of etcd ends all the same, and holds up no one for a minute.
func TestATurnWithoutAnAnswerEnds(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := newCluster(t, e, "a")[0]
	working := a.log.Etcd
	left := func() int {
		r, err := working.Get(t.Context(), turnKey)
		must(t, err)
		return len(r.Kvs)
	}
	ends := func(what string, without *etcd.Client) (taken int) {
		t.Helper()
		a.log.Etcd = without
		end := takeTurn(a.log)
		taken = left()
		a.log.Etcd = working
		if end != nil {
			end()
		}
		if left() != 0 || a.log.own() != "" {
			t.Fatalf("%s is lost: the turn has not ended", what)
		}
		return taken
	}
	taken := interruptedWhen(t, e, func() bool {
		r, err := working.Get(t.Context(), turnKey)
		return err != nil || len(r.Kvs) > 0
	})
	if ends("the answer", taken) != 1 {
		t.Error("no answer was lost")
	}
	for n := range 8 {
		ends(fmt.Sprintf("packet %d", n), interrupted(t, e, n))
	}
}
