package network_test

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/admin/admintest"
	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
	"plugtone/dhcp"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestALeaseIsFoundAndEnded(t *testing.T) {
	s := webtest.New(t)
	s.Config.Recent.Incident(client.Incident{Kind: "other_server", LastSeen: admintest.Noon, IP: netip.MustParseAddr("10.20.0.9"), MAC: dhcp.MAC{2, 0, 0, 0, 0, 9}, Interface: "voice0", Reason: "gave 10.20.1.7 to 00:15:65:10:00:00"})
	s.Config.Recent.Incident(client.Incident{Kind: "conflict", LastSeen: admintest.Noon.Add(-time.Hour), IP: netip.MustParseAddr("10.20.1.200"), Interface: "voice0", Reason: "answers ARP without a lease"})
	s.Config.Recent.Incident(client.Incident{Kind: "shut_out", LastSeen: admintest.Noon.Add(-2 * time.Minute), IP: netip.MustParseAddr("198.51.100.7"), Reason: "requested the files of 50 phones within a minute"})
	subnets := s.Config.API.Subnets
	s.Config.API.Subnets = func() []client.Subnet {
		list := subnets()
		days := 9
		list[0].Declined, list[0].Peaks, list[0].DaysUntilFull = 2, []int{400, 430, 465, 500, 540, 590}, &days
		return list
	}
	s.Restart(t)
	b := s.As(t, "operator")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/network")
	b.WaitText(".incidents tr:nth-child(1)", "Another DHCP server")
	b.WaitText(".incidents tr:nth-child(1)", "gave 10.20.1.7 to")
	b.WaitText(".incidents tr:nth-child(2)", "Requests for many phones")
	b.WaitText(".incidents tr:nth-child(3)", "Address in use elsewhere")
	if n := b.Count(".incidents .badge"); n != 2 {
		t.Errorf("%d incidents are under way, want 2", n)
	}
	b.WaitText(".subnets .full", "in 9 days")
	b.Wait(`.subnets .chart[aria-label*="590 today"]`)
	b.WaitText(".subnets", "44 of 763")
	b.Check("network")
	b.Type("#q", "10.20.1.12")
	b.WaitFor(`document.querySelectorAll("#leases tbody tr").length == 1 && location.search.includes("q=")`)
	b.Click(`#leases a[href^="/network/leases/10.20.1.12/end"]`)
	b.WaitText("h1", "End the lease of 10.20.1.12?")
	b.Check("end")
	b.Click("button.danger")
	b.WaitText(".note", "The lease of 10.20.1.12 was ended.")
	b.WaitText("#leases", "No lease matches")
	b.Click("#leases .empty a")
	b.WaitFor(`document.querySelectorAll("#leases tbody tr").length == 43`)
	b.Click(`.chip[href*="declined"]`)
	b.WaitText("#leases", "No lease matches")
}

func TestAViewerEndsNoLease(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "viewer")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/network")
	b.WaitText("#leases", "10.20.1.10")
	if n := b.Count(`a[href*="/end"]`); n != 0 {
		t.Errorf("%d buttons to end a lease", n)
	}
	b.Open("/network/leases/10.20.1.10/end")
	b.WaitText("h1", "End the lease of 10.20.1.10?")
	if b.Has("button.danger") {
		t.Error("a viewer has the button that ends a lease")
	}
}

func TestALeaseIsEndedWithoutScripts(t *testing.T) {
	p := webtest.New(t).Plain(t, "operator")
	p.Open("/network?q=10.20.1.10")
	p.Sees("00:15:65:10:00:00")
	p.Follow("End")
	p.Send("/network/leases/10.20.1.10/end", nil)
	p.Sees("The lease of 10.20.1.10 was ended.")
	p.Sees("No lease matches")
}

func TestAnEmptyNetworkSaysWhatToDo(t *testing.T) {
	b := webtest.Empty(t).As(t, "viewer")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/network")
	b.WaitText("#leases .empty", "No leases yet")
	b.WaitText("#incidents", "Nothing: no other DHCP server")
	b.Check("empty")
}

func TestAWrongSubnetIsExplained(t *testing.T) {
	b := webtest.Empty(t).As(t, "viewer")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/network?subnet=10.9.0.0/24")
	b.WaitText("[role=alert]", "is not a subnet of the configuration")
	b.Check("wrong")
}
