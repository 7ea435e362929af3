package activity_test

import (
	"testing"

	"plugtone/admin/web/webtest"
	"plugtone/dhcp"
	"plugtone/provision/notify"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestChangesAndResyncsAreListed(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "viewer")
	b.Open("/activity")
	b.WaitText(".activity", "Set device")
	b.Check("changes")
	if n := b.Count(".tabs a"); n != 2 {
		t.Errorf("a viewer has %d tabs", n)
	}
	b.Click("a[rel=next]")
	b.WaitText(".activity", "Set extension")
	b.Click(".activity tbody a")
	b.WaitFor(`location.pathname.startsWith("/changes/")`)
	b.Click(".crumbs a")
	b.WaitFor(`location.pathname == "/activity"`)
	b.Open("/activity/jobs")
	b.WaitText("h2", "No resyncs yet")
	b.Check("no-jobs")
	if _, err := s.Config.Jobs.Start("token:operator", "after the move", []dhcp.MAC{webtest.Phone(0), webtest.Phone(1)}, notify.Options{}); err != nil {
		t.Fatal(err)
	}
	b.Open("/activity/jobs")
	b.WaitText(".activity", "0 of 2")
	b.Check("jobs")
	b.Click(".activity tbody a")
	b.WaitText("h1", "after the move")
	for _, path := range []string{"/activity/audit", "/activity/tokens"} {
		b.Open(path)
		b.WaitText("main", "Not allowed")
	}
}

func TestATokenIsShownOnceAndDeleted(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "admin")
	b.Open("/activity/audit")
	b.WaitText(".activity", "device")
	b.Check("audit")
	b.Click(`.tabs a[href$="tokens"]`)
	b.WaitText(".activity", "viewer")
	b.Check("tokens")
	b.Click(".form .primary")
	b.WaitText(".problem", "letters, digits")
	b.Type("#f-name", "helpdesk")
	b.Click(".form .primary")
	b.Wait(".secret")
	b.Check("new-token")
	if len(b.Text(".secret code")) < 20 {
		t.Errorf("secret %q", b.Text(".secret code"))
	}
	b.Open("/activity/tokens")
	b.WaitText(".activity", "helpdesk")
	if b.Has(".secret") {
		t.Error("the secret is shown again")
	}
	b.Click(`[aria-label="Delete the token helpdesk …"]`)
	b.Click(`[aria-label="Delete the token helpdesk for good"]`)
	b.WaitText(".notes", "was deleted")
	b.WaitFor(`!document.querySelector(".activity").innerText.includes("helpdesk")`)
}
