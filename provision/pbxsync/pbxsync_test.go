package pbxsync_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
)

const domain = "pbx.example.com"

func account(n int, password string) pbx.Account {
	return pbx.Account{Domain: domain, Number: fmt.Sprint(1000 + n), DisplayName: fmt.Sprintf("Desk %d", n), Password: setting.Secret(password)}
}

// twenty returns the accounts 1001 to 1020.
func twenty() (s pbx.Snapshot) {
	for n := range 20 {
		s.Extensions = append(s.Extensions, account(n+1, "s3cret"))
	}
	return s
}

// sync runs one sync of the source main.
func sync(t *testing.T, r *provisiontest.Records, s pbx.Snapshot, o pbxsync.Options) (pbxsync.SyncResult, error) {
	t.Helper()
	o.Source = "main"
	var out pbxsync.SyncResult
	err := r.Edit("pbx:main", "sync", func(e fleet.Edit) (err error) {
		out, err = pbxsync.Apply(e, s, o)
		return err
	})
	return out, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func extension(t *testing.T, r *provisiontest.Records, number, registrar string) (out fleet.Extension) {
	t.Helper()
	must(t, r.View(func(v fleet.View) error {
		x, err := v.Extension(number, registrar)
		if err == nil {
			out = *x
		}
		return err
	}))
	return out
}

func TestFirstSyncMakesTheRegistrarAndTheExtensions(t *testing.T) {
	r := &provisiontest.Records{}
	got, err := sync(t, r, twenty(), pbxsync.Options{})
	must(t, err)
	if got.Added != 20 || got.Same+got.Changed+got.Gone+len(got.Problems) != 0 {
		t.Errorf("%s", got)
	}
	x := extension(t, r, "1001", domain)
	if x.DisplayName != "Desk 1" || x.Password.Reveal() != "s3cret" || x.Source != "main" || x.AuthUser != "1001" {
		t.Errorf("%+v", x)
	}
	must(t, r.View(func(v fleet.View) error {
		reg, err := v.Registrar(domain)
		if err == nil && (reg.Host != domain || reg.Port != 5060 || reg.Transport != "udp" || time.Duration(reg.RegisterExpires) != time.Hour) {
			t.Errorf("%+v", reg)
		}
		return err
	}))
}

func TestUnchangedSyncWritesNothing(t *testing.T) {
	r := &provisiontest.Records{}
	_, err := sync(t, r, twenty(), pbxsync.Options{})
	must(t, err)
	before := r.Revision()
	got, err := sync(t, r, twenty(), pbxsync.Options{})
	if !errors.Is(err, pbxsync.ErrUnchanged) || r.Revision() != before || got.Same != 20 {
		t.Errorf("%v, revision %d after %d, %s", err, r.Revision(), before, got)
	}
}

func TestChangedPasswordNamesThePhonesOfTheExtension(t *testing.T) {
	r := &provisiontest.Records{}
	_, err := sync(t, r, twenty(), pbxsync.Options{})
	must(t, err)
	phone := dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
	must(t, r.Edit("root", "add", func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: phone, Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: "1002", Registrar: domain}}})
	}))
	s := twenty()
	s.Extensions[1].Password = "n3w"
	s.Extensions[2].DisplayName = "Attic"
	got, err := sync(t, r, s, pbxsync.Options{})
	must(t, err)
	if got.Changed != 2 || got.Same != 18 || !slices.Equal(got.Phones, []dhcp.MAC{phone}) {
		t.Errorf("%s, %v", got, got.Phones)
	}
	if x := extension(t, r, "1002", domain); x.Password.Reveal() != "n3w" {
		t.Errorf("%+v", x)
	}
}

func TestVanishedExtensionKeepsItsPhonesUntilItIsPruned(t *testing.T) {
	r := &provisiontest.Records{}
	_, err := sync(t, r, twenty(), pbxsync.Options{})
	must(t, err)
	must(t, r.Edit("root", "add", func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}, Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: "1019", Registrar: domain}}})
	}))
	s := twenty()
	s.Extensions = s.Extensions[:18]
	got, err := sync(t, r, s, pbxsync.Options{})
	must(t, err)
	if got.Gone != 2 || !extension(t, r, "1020", domain).Gone || extension(t, r, "1020", domain).Password.Reveal() != "s3cret" {
		t.Errorf("%s", got)
	}
	// Twice gone is no news.
	if _, err := sync(t, r, s, pbxsync.Options{}); !errors.Is(err, pbxsync.ErrUnchanged) {
		t.Error(err)
	}
	got, err = sync(t, r, s, pbxsync.Options{Prune: true})
	must(t, err)
	if got.Removed != 1 || got.Gone != 1 || len(got.Problems) != 1 || !strings.Contains(got.Problems[0].String(), "extension 1019: is not in the PBX any more, and 1 phones have a line of it") {
		t.Errorf("%s, %v", got, got.Problems)
	}
	// It is back.
	got, err = sync(t, r, twenty(), pbxsync.Options{})
	must(t, err)
	if got.Added != 1 || got.Changed != 1 || extension(t, r, "1019", domain).Gone {
		t.Errorf("%s", got)
	}
}

func TestSyncThatWouldLoseMoreThanATenthIsRefused(t *testing.T) {
	r := &provisiontest.Records{}
	_, err := sync(t, r, twenty(), pbxsync.Options{})
	must(t, err)
	s := twenty()
	s.Extensions = s.Extensions[:17]
	_, err = sync(t, r, s, pbxsync.Options{})
	if want := "3 of 20 extensions of the source are not in the PBX any more"; err == nil || !strings.Contains(err.Error(), want) {
		t.Fatal(err)
	}
	if extension(t, r, "1020", domain).Gone {
		t.Error("the refused sync has marked an extension")
	}
	if _, err := sync(t, r, pbx.Snapshot{}, pbxsync.Options{}); err == nil {
		t.Error("an empty database was accepted")
	}
	got, err := sync(t, r, s, pbxsync.Options{Force: true})
	must(t, err)
	if got.Gone != 3 {
		t.Errorf("%s", got)
	}
}

func TestAccountsThatCanNotBeUsedAreReported(t *testing.T) {
	r := &provisiontest.Records{}
	must(t, r.Edit("root", "add", func(e fleet.Edit) error {
		for _, name := range []string{"a", "b"} {
			if err := e.PutRegistrar(&fleet.Registrar{Name: name, Host: name + ".example.com", Port: 5060, Transport: "udp"}); err != nil {
				return err
			}
		}
		return e.PutExtension(&fleet.Extension{Number: "1009", Registrar: "a", Source: "other", Password: "x"})
	}))
	got, err := sync(t, r, pbx.Snapshot{
		Problems: []pbx.SourceProblem{{Record: "extension 1", Message: "has no password"}},
		Extensions: []pbx.Account{{Number: "1001", Password: "x"}, {Domain: "a.example.com", Number: "10 02", Password: "x"}, {Domain: "a.example.com", Number: "1009", Password: "x"},
			{Domain: "c.example.com", Number: "1003", Password: "x"}, {Domain: "a.example.com", Number: "1004", Password: "x"}, {Domain: "a.example.com", Number: "1004", Password: "y"}},
	}, pbxsync.Options{Domains: map[string]string{"a.example.com": "a", "c.example.com": "c"}})
	must(t, err)
	var problems []string
	for _, p := range got.Problems {
		problems = append(problems, p.String())
	}
	for i, want := range []string{"extension 1: has no password", `extension 1001: has no SIP domain, and there are 2 registrars: name the one in domains`, "extension 10 02@a.example.com: number",
		"extension 1009@a.example.com: belongs to the source other", "extension 1003@c.example.com: its domain is for the registrar c, which does not exist", "extension 1004@a.example.com: is there twice"} {
		if i >= len(problems) || !strings.HasPrefix(problems[i], want) {
			t.Errorf("problem %d of %q, want %s", i, problems, want)
		}
	}
	if got.Added != 1 {
		t.Errorf("%s", got)
	}
}

func TestExtensionMadeByHandIsTakenOver(t *testing.T) {
	r := &provisiontest.Records{}
	must(t, r.Edit("root", "add", func(e fleet.Edit) error {
		if err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: domain, Port: 5060, Transport: "udp"}); err != nil {
			return err
		}
		return e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Voicemail: "*97", Password: "typed", AuthUser: "1001"})
	}))
	got, err := sync(t, r, pbx.Snapshot{Extensions: []pbx.Account{account(1, "s3cret")}}, pbxsync.Options{Domains: map[string]string{domain: "main"}})
	must(t, err)
	x := extension(t, r, "1001", "main")
	if got.Changed != 1 || x.Source != "main" || x.Password.Reveal() != "s3cret" || x.Voicemail != "*97" {
		t.Errorf("%s, %+v", got, x)
	}
	after := x
	after.Password = "by hand"
	if err := fleet.CheckOwned(&x, &after); !errors.Is(err, fleet.ErrOwned) || !strings.Contains(err.Error(), "password comes from a PBX source: change it in the PBX of the source main") {
		t.Error(err)
	}
	after = x
	after.Voicemail = "*98"
	if err := fleet.CheckOwned(&x, &after); err != nil {
		t.Error(err)
	}
}
