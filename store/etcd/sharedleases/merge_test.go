package sharedleases

import (
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
)

func TestLeasesOfTwoStoresBecomeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startClock(&oneClock{})
		_, _ = c.create(t.Context(), reading{Time: 1e12, ID: "x"})
		c.mustUpdate(t)
		c.mustUpdate(t)
		l := &Leases{clock: c, cfg: Config{Log: slog.New(slog.DiscardHandler)}}
		now := c.now()
		lease := func(client byte, state dhcp.LeaseState, ends time.Duration) dhcp.Lease {
			return dhcp.Lease{Addr: netip.MustParseAddr("10.20.0.9"), MAC: dhcp.MAC{0, 0, 0, 0, 0, client}, State: state, Starts: now.Add(ends - time.Hour), Expires: now.Add(ends)}
		}
		const mine, theirs, rests = "mine", "theirs", "rests"
		for name, tt := range map[string]struct {
			mine, theirs dhcp.Lease
			want         string
			until        time.Duration // of an address that rests
		}{
			"one client, mine ends later":            {lease(1, dhcp.LeaseActive, 2*time.Hour), lease(1, dhcp.LeaseActive, time.Hour), mine, 0},
			"one client, theirs ends later":          {lease(1, dhcp.LeaseActive, time.Hour), lease(1, dhcp.LeaseActive, 2*time.Hour), theirs, 0},
			"one client, the same":                   {lease(1, dhcp.LeaseActive, time.Hour), lease(1, dhcp.LeaseActive, time.Hour), theirs, 0},
			"one client gave it back before":         {lease(1, dhcp.LeaseActive, time.Hour), lease(1, dhcp.LeaseReleased, 2*time.Hour), mine, 0},
			"one client gave it back afterwards":     {lease(1, dhcp.LeaseReleased, 2*time.Hour), lease(1, dhcp.LeaseActive, time.Hour), theirs, 0},
			"two clients":                            {lease(1, dhcp.LeaseActive, time.Hour), lease(2, dhcp.LeaseActive, 2*time.Hour), rests, 2 * time.Hour},
			"two clients, mine ends later":           {lease(1, dhcp.LeaseActive, 3*time.Hour), lease(2, dhcp.LeaseActive, 2*time.Hour), rests, 3 * time.Hour},
			"theirs has ended":                       {lease(1, dhcp.LeaseActive, time.Hour), lease(2, dhcp.LeaseActive, -2*time.Minute), mine, 0},
			"theirs has just ended":                  {lease(1, dhcp.LeaseActive, time.Hour), lease(2, dhcp.LeaseActive, -10*time.Second), rests, time.Hour},
			"theirs was given back":                  {lease(1, dhcp.LeaseActive, time.Hour), lease(2, dhcp.LeaseReleased, 2*time.Hour), mine, 0},
			"mine was given back":                    {lease(1, dhcp.LeaseReleased, 2*time.Hour), lease(2, dhcp.LeaseActive, time.Hour), theirs, 0},
			"both have ended, mine later":            {lease(1, dhcp.LeaseActive, -time.Hour), lease(2, dhcp.LeaseActive, -2*time.Hour), mine, 0},
			"both have ended, theirs later":          {lease(1, dhcp.LeaseActive, -2*time.Hour), lease(2, dhcp.LeaseActive, -time.Hour), theirs, 0},
			"theirs rests longer":                    {lease(1, dhcp.LeaseActive, time.Hour), lease(0, dhcp.LeaseDeclined, 2*time.Hour), theirs, 0},
			"theirs rests shorter":                   {lease(1, dhcp.LeaseActive, 3*time.Hour), lease(0, dhcp.LeaseDeclined, 2*time.Hour), rests, 3 * time.Hour},
			"mine rests, theirs was given":           {lease(0, dhcp.LeaseDeclined, time.Hour), lease(2, dhcp.LeaseActive, 2*time.Hour), rests, 2 * time.Hour},
			"one client that declined it afterwards": {lease(1, dhcp.LeaseDeclined, 2*time.Hour), lease(1, dhcp.LeaseActive, time.Hour), rests, 2 * time.Hour},
		} {
			got, write := l.merged(tt.mine, tt.theirs)
			switch {
			case tt.want == theirs && write, tt.want == mine && (!write || got != tt.mine):
				t.Errorf("%s: written: %v, %+v", name, write, got)
			case tt.want == rests && (!write || got.State != dhcp.LeaseDeclined || !got.MAC.IsZero() || got.Expires.Sub(now) < tt.until || got.Expires.Sub(now) > tt.until+2*time.Minute):
				t.Errorf("%s: %v, %+v, %s left", name, write, got, got.Expires.Sub(now))
			}
		}
	})
}
