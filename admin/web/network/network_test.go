package network_test

import (
	"testing"

	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestALeaseIsFoundAndEnded(t *testing.T) {
	s := webtest.New(t)
	s.Config.API.Status = func() client.DaemonStatus {
		return client.DaemonStatus{Version: "test", Ready: true, Warnings: []string{"another DHCP server answers on voice0: 10.20.0.9; turn it off there"}}
	}
	subnets := s.Config.API.Subnets
	s.Config.API.Subnets = func() []client.Subnet {
		list := subnets()
		list[0].Declined = 2
		return list
	}
	s.Restart(t)
	b := s.As(t, "operator")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/network")
	b.WaitText(".banner", "another DHCP server answers on voice0")
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
}

func TestAWrongSubnetIsExplained(t *testing.T) {
	b := webtest.Empty(t).As(t, "viewer")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/network?subnet=10.9.0.0/24")
	b.WaitText("[role=alert]", "is not a subnet of the configuration")
	b.Check("wrong")
}
