package deviceindex

import (
	"context"
	"testing"
	"time"

	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/selector"
)

// slow is an index that takes a second to compute a status.
func slow(t *testing.T, n int) (x *Index, records *provisiontest.Records) {
	t.Helper()
	devices, status := phones(n)
	x, records = newIndex(t, status, devices...)
	at := noon
	x.c.Now = func() time.Time { return at }
	compute := x.c.Compute
	x.c.Compute = func(ctx context.Context, d *fleet.Device, k devicestatus.Known) (devicestatus.Computed, error) {
		at = at.Add(time.Second)
		return compute(ctx, d, k)
	}
	return x, records
}

// The place of a device in an order by a member of its status is as old as the status.
func TestAnOrderByTheStatusCountsWhatIsPending(t *testing.T) {
	for _, c := range []struct {
		sort, where string
		pending     bool
	}{{"label", "", false}, {"mac", "state=stale", true}, {"last_seen", "", true}, {"-state", "", true}, {"ip", "label=*", true}} {
		x, _ := slow(t, 50)
		order, err := SortBy(c.sort, 5, "")
		if err != nil {
			t.Fatal(err)
		}
		where, err := selector.Parse(c.where)
		if err != nil {
			t.Fatal(err)
		}
		page, err := x.List(t.Context(), Query{Where: where, Wait: 3 * time.Second}, order)
		if err != nil || (page.Pending > 0) != c.pending {
			t.Errorf("sort %s, where %q: %d pending, %v", c.sort, c.where, page.Pending, err)
		}
	}
}

// A query takes in a change and may have no time for its states. They are left to the background.
func TestWhatAQueryLeavesPendingIsComputedInTheBackground(t *testing.T) {
	x, records := slow(t, 20)
	round := func() {
		t.Helper()
		if !x.outdated() {
			t.Fatal("the background has nothing to do")
		}
		if err := x.round(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if x.outdated() {
			t.Fatal("the background is not done")
		}
	}
	round()
	order, err := SortBy("state", 5, "")
	if err != nil {
		t.Fatal(err)
	}
	list := func(wait time.Duration) {
		t.Helper()
		if _, err := x.List(t.Context(), Query{Wait: wait}, order); err != nil {
			t.Fatal(err)
		}
	}
	provisiontest.Edit(t, records, func(e fleet.Edit) error { return e.PutProfile(&fleet.Profile{Name: "desk"}) })
	list(time.Second)
	round()
	x.Touch(numbered(7))
	list(time.Nanosecond)
	round()
}
