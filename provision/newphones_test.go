package provision_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/trust"
)

// bind makes a phone's first lease, as the table does.
func (h *fixture) bind(i int) (dhcp.MAC, string) {
	m := dhcp.MAC{0x00, 0x15, 0x65, 0x20, byte(i >> 8), byte(i)}
	addr := netip.AddrFrom4([4]byte{10, 20, byte(i >> 8 & 3), byte(i)}).String()
	now := h.now.Truncate(time.Second)
	l := dhcp.Lease{Addr: netip.MustParseAddr(addr), MAC: m, Subnet: netip.MustParsePrefix(voice), State: dhcp.LeaseActive, FirstSeen: now, Starts: now, Expires: now.Add(24 * time.Hour)}
	h.leases.Put(l)
	h.Trust().Bound(l)
	return m, addr
}

func (h *fixture) provenBy(m dhcp.MAC, addr string) bool {
	return h.get(m.Hex()+".cfg", addr).Proof == trust.ProofLease
}

// A host on the link takes leases for one MAC after the other, as fast as DHCP allows, and fetches the file of each.
func TestLeasesOfTooManyNewPhonesAreNoProof(t *testing.T) {
	h := newFixture(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 20, PerMinute: 6}
	h.leases.Lease("10.20.1.7", front, voice, noon.Add(-time.Hour))
	type phone struct {
		mac  dhcp.MAC
		addr string
	}
	var attacked []phone
	proven := 0
	for i := range 744 { // at 300 a second, each fetched at once
		h.now = noon.Add(time.Duration(i) * time.Second / 300)
		m, addr := h.bind(i + 512)
		attacked = append(attacked, phone{m, addr})
		if h.provenBy(m, addr) {
			proven++
		}
	}
	if proven != 20 {
		t.Errorf("%d of 744 were proven, want the burst of 20", proven)
	}
	if got := h.kinds(); !slices.Equal(got, []trust.EventKind{trust.EventFrozen}) {
		t.Errorf("alarms %v", got)
	}
	if f := h.Trust().Freeze(); !f.Frozen || f.Waiting < 720 || f.Until.IsZero() || !strings.Contains(f.String(), "device enroll --all") {
		t.Errorf("%+v: %s", f, f)
	}
	if !h.provenBy(front, "10.20.1.7") {
		t.Error("a phone from before the freeze is refused")
	}
	if a := h.get(attacked[743].mac.Hex()+".cfg", attacked[743].addr); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "more new phones came than provisioning.new_phones allows") {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	// The first phones stay proven, and more become so at the configured rate.
	count := func() (n int) {
		for _, p := range attacked {
			if h.provenBy(p.mac, p.addr) {
				n++
			}
		}
		return n
	}
	if n := count(); n != 20 {
		t.Errorf("%d are proven, want the first 20", n)
	}
	h.now = h.now.Add(10 * time.Minute)
	if n := count(); n > 20+60 || n < 20 {
		t.Errorf("after ten minutes %d are proven", n)
	}
	h.now = h.now.Add(3 * time.Hour)
	if n := count(); n != 744 || h.Trust().Freeze().Frozen || !slices.Contains(h.kinds(), trust.EventThawed) {
		t.Errorf("after three hours %d are proven, alarms %v", n, h.kinds())
	}
}

// A building full of phones that were here before comes back after a power cut.
func TestPowerCutOfKnownPhonesDoesNotFreeze(t *testing.T) {
	h := newFixture(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 20, PerMinute: 6}
	h.now = noon.Add(24 * time.Hour)
	for i := range 700 {
		m := dhcp.MAC{0x00, 0x15, 0x65, 0x30, byte(i >> 8), byte(i)}
		addr := netip.AddrFrom4([4]byte{10, 20, byte(i >> 8 & 3), byte(i)}).String()
		l := h.leases.Lease(addr, m, voice, h.now)
		l.FirstSeen = noon
		h.leases.Put(l)
		h.Trust().Bound(l)
		if !h.provenBy(m, addr) {
			t.Fatalf("phone %d is not proven", i)
		}
	}
	// One of them moves to another of our subnets: it is no new phone there.
	h.now = h.now.Add(time.Second)
	for range 40 {
		h.bind(901)
	}
	if h.Trust().Freeze().Frozen {
		t.Error("one phone that renews again and again froze the others")
	}
}

func TestEnrollAllLiftsTheFreeze(t *testing.T) {
	h := newFixture(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 2, PerMinute: 0}
	var last dhcp.MAC
	var addr string
	for i := range 5 {
		last, addr = h.bind(i + 300)
	}
	if h.provenBy(last, addr) || !h.Trust().Freeze().Until.IsZero() {
		t.Fatalf("not frozen: %+v", h.Trust().Freeze())
	}
	if _, err := h.Enroll(dhcp.MAC{}, netip.MustParsePrefix("198.51.100.0/24"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if !h.provenBy(last, addr) || h.Trust().Freeze().Frozen || !slices.Contains(h.kinds(), trust.EventThawed) {
		t.Errorf("still frozen: %+v, %v", h.Trust().Freeze(), h.kinds())
	}
}

func TestRestartDoesNotEndAFreeze(t *testing.T) {
	h := newFixture(t)
	h.site.NewPhones = &trust.NewPhones{Burst: 20, PerMinute: 6}
	var all []dhcp.Lease
	for i := range 200 {
		m := dhcp.MAC{0x00, 0x15, 0x65, 0x30, 0, byte(i)}
		l := h.leases.Lease(netip.AddrFrom4([4]byte{10, 20, 2, byte(i)}).String(), m, voice, noon.Add(time.Duration(i)*time.Second))
		all = append(all, l)
	}
	h.now = noon.Add(5 * time.Minute)
	h.Trust().Replay(all)
	if f := h.Trust().Freeze(); !f.Frozen || f.Waiting != 200-20-30 {
		t.Errorf("%+v", f)
	}
	if !h.provenBy(all[0].MAC, all[0].Addr.String()) || h.provenBy(all[199].MAC, all[199].Addr.String()) {
		t.Error("the first phone is not proven, or the last one is")
	}
}

// Concurrent requests for a file that is not cached render it once.
func TestConcurrentRequestsRenderAFileOnce(t *testing.T) {
	h := newFixture(t)
	bodies := map[*byte]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			<-start
			a := h.Answer(context.Background(), provision.Request{Time: noon, Transport: fleet.HTTP, Method: "GET", Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7")})
			mu.Lock()
			defer mu.Unlock()
			bodies[&a.Body[0]] = true
		})
	}
	close(start)
	wg.Wait()
	if len(bodies) != 1 {
		t.Errorf("rendered %d times", len(bodies))
	}
}
