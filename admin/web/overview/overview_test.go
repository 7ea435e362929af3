package overview_test

import (
	"testing"
	"time"

	"plugtone/admin/admintest"
	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestTheOverviewShowsWhatNeedsAttention(t *testing.T) {
	s := webtest.New(t)
	s.Config.API.Status = func() client.DaemonStatus {
		return client.DaemonStatus{Version: "1.4.0", Warnings: []string{"subnet 10.20.0.0/22: 97 % of the addresses are leased", "TFTP is off"}, Faults: []string{"leases.db: no space left on device"}}
	}
	for i := range 20 {
		s.Config.Recent.Boot(webtest.Phone(i), admintest.Noon.Add(-time.Duration(i*i/8)*time.Minute))
	}
	s.Restart(t)
	b := s.As(t, "viewer")
	b.Open("/")
	b.WaitText(".banner.bad", "no space left on device")
	b.WaitText(".warnings", "97 % of the addresses")
	b.WaitText("#live", "48 phones")
	b.WaitText(".figure[href*=refused]", "2")
	b.WaitText("#live", "10.20.0.0/22")
	b.WaitText("#live", "20 boots")
	b.Wait(`.chart[aria-label^="Phones that booted in each minute of the last hour: 20"]`)
	b.Check("overview")
	b.Click(".figure[href*=refused]")
	b.WaitText("#phones .pager", "2 phones")
}

func TestAnEmptyOverviewSaysWhatToDo(t *testing.T) {
	b := webtest.Empty(t).As(t, "viewer")
	b.Open("/")
	b.WaitText("#live", "No phones yet")
	b.Check("empty")
}
