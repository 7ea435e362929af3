package admintest

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/notify"
	"plugtone/provision/packdoc"
	"plugtone/provision/timeline"
)

// jobs returns resync jobs that notify no phone: nothing runs them.
func jobs(t testing.TB, h *Fixture) *notify.Jobs {
	t.Helper()
	j, err := notify.New(notify.Config{
		Target: func(mac dhcp.MAC, _ bool) (notify.Target, error) {
			for _, l := range h.LeasesOf(mac) {
				return notify.Target{MAC: mac, Addr: netip.AddrPortFrom(l.Addr, 5060), Transport: "udp", User: "1001", Notify: packdoc.Notify{Event: "check-sync"}}, nil
			}
			return notify.Target{}, &notify.Skipped{Reason: "its address is not known"}
		},
		Send:     func(context.Context, notify.Target, bool) (notify.Reply, error) { return notify.Reply{}, nil },
		Timeline: h.Timeline, Fetches: func(dhcp.MAC) ([]fleet.Fetch, error) { return nil, nil }, Record: func(timeline.Entry) {}, Counted: func(notify.Outcome) {}, Store: noStore{}, Now: clock, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// noStore keeps nothing.
type noStore struct{}

func (noStore) SaveJob(uint64, int, []byte) error              { return nil }
func (noStore) LoadJobs(func(uint64, int, []byte) error) error { return nil }
func (noStore) DeleteJob(uint64) error                         { return nil }
