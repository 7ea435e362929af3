package provision_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/trust"
)

// windowStore is a WindowStore in memory that fails with broken when that is set.
type windowStore struct {
	windows []trust.EnrollmentWindow
	broken  error
}

func (d *windowStore) LoadWindows() ([]trust.EnrollmentWindow, error) {
	return slices.Clone(d.windows), d.broken
}

func (d *windowStore) UpdateWindows(change func([]trust.EnrollmentWindow) ([]trust.EnrollmentWindow, error)) ([]trust.EnrollmentWindow, error) {
	if d.broken != nil {
		return nil, d.broken
	}
	all, err := change(slices.Clone(d.windows))
	if err == nil {
		d.windows = all
	}
	return all, err
}

// restart puts a new service into the fixture, over the same records, leases and windows.
func (h *fixture) restart(d *windowStore) error {
	s, err := provision.New(provision.Config{
		Records: h.records, Leases: h.leases, Windows: d, Now: func() time.Time { return h.now },
		Packs: func() *pack.Set { return h.packs }, Site: func() *fleet.Site { return h.site },
	})
	if err == nil {
		h.Service = s
	}
	return err
}

func TestEnrollmentWindowsSurviveARestart(t *testing.T) {
	h, d := newFixture(t), &windowStore{}
	again := func() {
		t.Helper()
		if err := h.restart(d); err != nil {
			t.Fatal(err)
		}
	}
	again()
	r := request("001565123456.cfg")
	if _, err := h.Enroll(front, netip.MustParsePrefix("192.0.2.0/28"), 30*time.Minute); err != nil {
		t.Fatal(err)
	}
	again()
	if a := h.send(r); a.Outcome != provision.Served || a.Proof != trust.ProofEnroll {
		t.Errorf("after a restart: %s, %s", a.Outcome, a.Reason)
	}
	if w := h.Windows(); len(w) != 1 || w[0].MAC != front || !w[0].Until.Equal(noon.Add(30*time.Minute)) {
		t.Errorf("windows %v", w)
	}
	// A restart opens no window that was closed or has ended.
	if _, err := h.Enroll(front, netip.MustParsePrefix("192.0.2.0/28"), 0); err != nil {
		t.Fatal(err)
	}
	again()
	if a := h.send(r); a.Outcome != provision.Refused {
		t.Errorf("closed before a restart: %s", a.Outcome)
	}
	if _, err := h.Enroll(front, netip.Prefix{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	h.now = noon.Add(time.Minute)
	again()
	if a := h.send(r); a.Outcome != provision.Refused || len(h.Windows()) != 0 {
		t.Errorf("ended before a restart: %s", a.Outcome)
	}
	// A clock that is set back by a year doesn't extend a window of a day.
	if _, err := h.Enroll(front, netip.Prefix{}, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	h.now = noon.AddDate(-1, 0, 0)
	again()
	if len(h.Windows()) != 0 {
		t.Errorf("windows %v", h.Windows())
	}
}

func TestWindowThatCanNotBeStoredIsNotOpened(t *testing.T) {
	h, d := newFixture(t), &windowStore{}
	if err := h.restart(d); err != nil {
		t.Fatal(err)
	}
	d.broken = errors.New("no space left on device")
	if _, err := h.Enroll(front, netip.Prefix{}, time.Hour); !errors.Is(err, d.broken) || len(h.Windows()) != 0 {
		t.Errorf("opened all the same: %v, %v", h.Windows(), err)
	}
	if err := h.restart(d); !errors.Is(err, d.broken) {
		t.Errorf("a start without the stored windows: %v", err)
	}
}

// After the operator enrolled all phones of a subnet, a restart leaves them enrolled: those that waited, and those that came while
// the window was open.
func TestRestartKeepsEnrolledPhonesProven(t *testing.T) {
	h, d := newFixture(t), &windowStore{}
	h.site.NewPhones = &trust.NewPhones{Burst: 2, PerMinute: 0}
	if err := h.restart(d); err != nil {
		t.Fatal(err)
	}
	var all []dhcp.Lease
	bind := func(n int) (dhcp.MAC, string) {
		m, addr := h.bind(n)
		l, _ := h.leases.LeaseAt(netip.MustParseAddr(addr))
		all = append(all, l)
		return m, addr
	}
	for i := range 6 {
		bind(300 + i)
	}
	h.now = noon.Add(time.Minute)
	if _, err := h.Enroll(dhcp.MAC{}, netip.MustParsePrefix(voice), 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	h.now = noon.Add(2 * time.Minute)
	for i := range 6 {
		bind(400 + i)
	}
	h.now = noon.Add(time.Hour)
	for i := range 3 {
		bind(500 + i)
	}
	if f := h.Trust().Freeze(); f.Waiting != 1 {
		t.Fatalf("before the restart: %+v", f)
	}
	if err := h.restart(d); err != nil {
		t.Fatal(err)
	}
	h.Trust().Replay(all)
	if f := h.Trust().Freeze(); f.Waiting != 1 {
		t.Errorf("after the restart: %+v", f)
	}
	for i, l := range all {
		if want := i != len(all)-1; h.provenBy(l.MAC, l.Addr.String()) != want {
			t.Errorf("phone %d is proven: %t", i, !want)
		}
	}
}

func TestEnrollmentWindowsAreBounded(t *testing.T) {
	h := newFixture(t)
	for i := range 256 {
		if _, err := h.Enroll(front, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Enroll(front, netip.MustParsePrefix("198.51.100.0/24"), time.Hour); err == nil {
		t.Error("a window beyond the limit is opened")
	}
	h.now = noon.Add(2 * time.Hour)
	if _, err := h.Enroll(front, netip.MustParsePrefix("198.51.100.0/24"), time.Hour); err != nil || len(h.Windows()) != 1 {
		t.Errorf("when they have ended: %v, %v", h.Windows(), err)
	}
	// The windows for all phones that were closed are remembered, within the same bound.
	for range 600 {
		h.now = h.now.Add(time.Second)
		for _, length := range []time.Duration{time.Minute, 0} {
			if _, err := h.Enroll(dhcp.MAC{}, netip.Prefix{}, length); err != nil {
				t.Fatal(err)
			}
		}
	}
}
