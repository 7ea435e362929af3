package deviceindex

import (
	"context"
	"errors"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
)

// The time counts of one device: another that becomes stale when it has fetched begins again. Neither a change of records nor a reload
// ends it.
func TestLongestStaleIsOfOneDevice(t *testing.T) {
	devices, _ := phones(3)
	state := map[dhcp.MAC]string{}
	failing := false
	x, records := newIndex(t, func(m dhcp.MAC) devicestatus.Status { return devicestatus.Status{State: state[m]} }, devices...)
	now := time.Now()
	x.c.Now, x.began = func() time.Time { return now }, now
	compute := x.c.Compute
	x.c.Compute = func(ctx context.Context, d *fleet.Device, k devicestatus.Known) (devicestatus.Computed, error) {
		if failing {
			return devicestatus.Computed{}, errors.New("no state")
		}
		return compute(ctx, d, k)
	}
	step := func(what string, after time.Duration, change func(), want time.Duration) {
		t.Helper()
		now = now.Add(after)
		change()
		for _, d := range devices {
			x.Touch(d.MAC)
		}
		if err := x.round(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if got, err := x.LongestStale(); err != nil || got != want {
			t.Errorf("%s: %s, want %s; %v", what, got, want, err)
		}
	}
	set := func(n int, s string) { state[numbered(n)] = s }
	stale, fetched := devicestatus.StateStale, devicestatus.StateInSync
	step("none is stale", time.Hour, func() { set(0, fetched); set(1, fetched); set(2, fetched) }, 0)
	step("one becomes stale", time.Minute, func() { set(0, stale) }, 0)
	step("another becomes stale", 40*time.Minute, func() { set(1, stale) }, 40*time.Minute)
	step("the first has fetched", 10*time.Minute, func() { set(0, fetched) }, 10*time.Minute)
	step("a third becomes stale, the second has fetched", 40*time.Minute, func() { set(2, stale); set(1, fetched) }, 0)
	step("a change of all phones", 30*time.Minute, func() {
		provisiontest.Edit(t, records, func(e fleet.Edit) error { return e.PutProfile(&fleet.Profile{Name: "desk"}) })
	}, 30*time.Minute)
	step("a reload", 30*time.Minute, func() { x.markAll() }, time.Hour)
	step("a state that can't be computed", time.Minute, func() { failing = true }, 0)
	step("it is computed again", time.Minute, func() { failing = false }, 0)
	step("the device is deleted", time.Hour, func() {
		provisiontest.Edit(t, records, func(e fleet.Edit) error { return e.DeleteDevice(numbered(2)) })
	}, 0)
}
