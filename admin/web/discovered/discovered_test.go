package discovered_test

import (
	"testing"

	"plugtone/admin/admintest"
	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func mac(t *testing.T, text string) dhcp.MAC {
	t.Helper()
	m, err := dhcp.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNewPhonesAreAdoptedInOrder(t *testing.T) {
	s := webtest.New(t)
	s.Discover(fleet.Discovered{MAC: mac(t, "00:15:65:77:00:09"), Vendor: "yealink", FirstSeen: admintest.Noon, LastSeen: admintest.Noon, Hostname: "SIP-T46U",
		Reason: `DHCP vendor class "yealink"; but host name "snom-1" means snom`})
	b := s.As(t, "operator")
	b.Open("/discovered")
	b.WaitText(".contrary", "means snom")
	b.WaitText(".never", "Recorded, never seen")
	b.Check("list")
	b.Click(`.chip[href*="sort=port"]`)
	b.WaitFor(`document.querySelector(".new-phones tbody tr .under").innerText == "00:15:65:77:00:00"`)
	b.Click(`input[value="00:15:65:77:00:00"]`)
	b.Click(`input[value="80:5e:c0:77:00:01"]`)
	b.Check("selected")
	b.Click(".selection .primary")
	b.WaitText("h1", "Adopt 2 phones")
	b.Type("#f-extensions", "1047-1048")
	b.Choose("#f-profile", "desk")
	b.Click("button[value=preview]")
	b.WaitText(".previewed-head", "2 phones get other files")
	b.Check("adopt")
	b.Click(".draft-side .primary")
	b.WaitText(".notes", "was made")
	for m, want := range map[string]string{"00:15:65:77:00:00": "1047", "80:5e:c0:77:00:01": "1048"} {
		d, _, err := s.API.Devices().Get(t.Context(), m, false)
		if err != nil || d.Model == "" || d.Label == "" || d.Profile != "desk" || len(d.Lines) != 1 || d.Lines[0].Extension != want {
			t.Errorf("%s: %+v, %v", m, d.Device, err)
		}
	}
	b.Open("/discovered")
	b.WaitFor(`document.querySelectorAll(".new-phones tbody tr").length == 2`)
	b.Click(`[aria-label="Forget 00:15:65:77:00:09"]`)
	b.WaitText(".notes", "off the list")
	if _, err := s.API.DiscoveredPhone(t.Context(), "00:15:65:77:00:09"); !client.IsNotFound(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestScannedMACsAreMatched(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open("/discovered")
	for i, text := range []string{"00-15-65-77-00-00", webtest.Phone(0).Hex(), "aa:bb:cc:00:00:01"} {
		b.Type("#scan", text)
		b.Press("\r")
		b.WaitFor(`document.querySelectorAll(".scanned li").length == ` + string(rune('1'+i)))
	}
	b.WaitText(".scanned", "Amelia Wright")
	b.WaitText(".scanned", "Not seen yet")
	b.Check("scanned")
	b.Type("#scan", "hello")
	b.Press("\r")
	b.WaitText(".problem", "is not a MAC")
	b.Click(".scanned .primary")
	b.WaitText("h1", "Adopt 2 phones")
	b.Type("#f-model", "yealink/T46U")
	b.Click("button[value=preview]")
	b.WaitText(".previewed-head", "2 phones get other files")
}

func TestViewersOnlyLookAtNewPhones(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "viewer")
	b.Open("/discovered?q=grandstream")
	b.WaitText("main", "No new phone matches")
	b.Open("/discovered?q=yealink")
	b.WaitFor(`document.querySelectorAll(".new-phones tbody tr").length == 2`)
	if b.Has("main input[type=checkbox], #scan, .selection, main td button") {
		t.Error("a viewer sees actions")
	}
	e := webtest.Empty(t).As(t, "operator")
	e.Open("/discovered")
	e.WaitText(".empty", "No new phones")
	e.Check("empty")
}
