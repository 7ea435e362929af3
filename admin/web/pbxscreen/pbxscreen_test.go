package pbxscreen_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"plugtone/admin/admintest"
	"plugtone/admin/web/webtest"
	"plugtone/dhcp"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// withSources gives a site an Asterisk, whose file is returned, and a PBX that pushes.
func withSources(t *testing.T) (s *webtest.Site, file string) {
	t.Helper()
	s = webtest.New(t)
	file = filepath.Join(t.TempDir(), "sip.conf")
	list := []pbxsync.Source{
		{Name: "asterisk", Source: pbx.Source{Type: "asterisk-files", Files: []string{file}}, Domains: map[string]string{"": "main"}, Interval: time.Minute},
		{Name: "hosted", Source: pbx.Source{Type: pbx.Pushed}},
	}
	s.Config.PBX = pbxsync.New(pbxsync.Config{
		Sources: func() []pbxsync.Source { return list }, Records: s.Records, Packs: func() *pack.Set { return s.Packs }, Discovered: s,
		Synced: func(string, bool) {}, Concerned: func(string, []dhcp.MAC) {},
		Now: func() time.Time { return admintest.Noon }, Log: slog.New(slog.DiscardHandler),
	})
	s.Restart(t)
	return s, file
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const accounts = "[2001]\ntype=friend\nhost=dynamic\nsecret=s3cret\ncallerid=Night desk <2001>\n\n[2002]\ntype=friend\nhost=dynamic\n"

func TestASourceIsTestedTriedAndSynced(t *testing.T) {
	s, file := withSources(t)
	write(t, file, accounts)
	b := s.As(t, "operator")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/pbx")
	b.WaitText(".source", "Never synced")
	b.Click(`form[action="/pbx/asterisk/test"] button`)
	b.WaitText(".banner.ok", "1 usable extension")
	b.WaitText(".problems", "2002")
	b.Check("tested")
	b.Click(`a[href="/pbx/asterisk/sync"]`)
	b.WaitText("#preview", "1 record is new")
	b.WaitText("#preview", "2002")
	b.Check("dry-run")
	b.Type("#f-message", "night desk")
	b.Click("form .button.primary")
	b.WaitText(".banner.ok", "asterisk was synced")
	b.WaitText(".source", "1 problem")
	b.Check("synced")
	if _, _, err := s.API.Extensions().Get(t.Context(), "2001", false); err != nil {
		t.Error(err)
	}
	b.Click(`form[action="/pbx/asterisk/sync"] button`)
	b.WaitText(".note.ok", "nothing differs")
}

func TestASyncThatLosesMuchIsRefusedWithoutForce(t *testing.T) {
	s, file := withSources(t)
	write(t, file, accounts)
	b := s.As(t, "operator")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/pbx")
	b.Click(`form[action="/pbx/asterisk/sync"] button`)
	b.WaitText(".banner.ok", "was synced")
	write(t, file, "[general]\n")
	b.Open("/pbx")
	b.Click(`form[action="/pbx/asterisk/sync"] button`)
	b.WaitText(".banner.bad", "more than a tenth")
	b.Click("#f-force")
	b.Check("refused")
	b.Click("form .button.primary")
	b.WaitText(".banner.ok", "was synced")
	if x, _, err := s.API.Extensions().Get(t.Context(), "2001", false); err != nil || !x.Gone {
		t.Errorf("%+v, %v: the extension stays, and is marked", x, err)
	}
}

func TestASourceThatCannotBeReadIsExplained(t *testing.T) {
	s, _ := withSources(t)
	p := s.Plain(t, "operator")
	p.Open("/pbx")
	p.Send("/pbx/asterisk/test", nil)
	p.Sees("asterisk can’t be read.")
	p.Send("/pbx/asterisk/sync", nil)
	p.Sees("no such file")
	p.Follow("PBX")
	p.Sees("Last sync failed")
}

func TestAViewerSeesSourcesWithoutActions(t *testing.T) {
	s, _ := withSources(t)
	b := s.As(t, "viewer")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/pbx")
	b.WaitText(".source", "hosted")
	if n := b.Count("main form, main .button"); n != 0 {
		t.Errorf("%d actions", n)
	}
	b.Open("/pbx/asterisk/sync")
	b.WaitText("h1", "Not allowed")
}
