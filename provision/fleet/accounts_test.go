package fleet_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
)

func TestCheckRegistrarFillsIn(t *testing.T) {
	for transport, port := range map[string]int{"": 5060, "udp": 5060, "tcp": 5060, "tls": 5061, "TLS": 5061} {
		r := fleet.Registrar{Name: "main", Host: "pbx", Transport: transport}
		if err := fleet.CheckRegistrar(&r); err != nil {
			t.Fatal(err)
		}
		if r.Port != port || time.Duration(r.RegisterExpires) != time.Hour || r.Transport != strings.ToLower(r.Transport) || r.Transport == "" {
			t.Errorf("transport %q: %+v", transport, r)
		}
	}
}

func TestCheckRegistrarNamesEveryProblem(t *testing.T) {
	r := fleet.Registrar{Name: "-x", Host: "a b", Port: 70000, Transport: "sctp", OutboundProxy: "x:y", BackupHost: "::1",
		RegisterExpires: setting.Duration(time.Second), Settings: setting.Values{"x": 1}}
	want := []string{"name", "host", "transport", "port", "outbound_proxy", "backup_host", "register_expires", "settings.x"}
	if got := fields(fleet.CheckRegistrar(&r)); !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
	if got := fields(fleet.CheckRegistrar(&fleet.Registrar{})); !slices.Equal(got, []string{"name", "host"}) {
		t.Errorf("faults of nothing: %v", got)
	}
}

func checkExtension(r *provisiontest.Records, e *fleet.Extension) (err error) {
	_ = r.View(func(f fleet.View) error { err = fleet.CheckExtension(f, e); return nil })
	return err
}

func TestCheckExtensionFillsInTheRegistrar(t *testing.T) {
	one := &provisiontest.Records{}
	e := fleet.Extension{Number: "1001"}
	if err := checkExtension(one, &e); err == nil || !strings.Contains(err.Error(), "there is no registrar yet") {
		t.Errorf("without registrars: %v", err)
	}
	edit(t, one, func(x fleet.Edit) error { return x.PutRegistrar(&fleet.Registrar{Name: "main"}) })
	if err := checkExtension(one, &e); err != nil || e.Registrar != "main" || e.AuthUser != "1001" {
		t.Errorf("with one registrar: %+v, %v", e, err)
	}
	two := office(t)
	tests := []struct {
		e     fleet.Extension
		field string
		want  string
	}{
		{fleet.Extension{Number: "1"}, "registrar", "branch, main"},
		{fleet.Extension{Number: "1", Registrar: "mian"}, "registrar", "near: main"},
		{fleet.Extension{Registrar: "main"}, "number", "needed"},
		{fleet.Extension{Number: "a@b", Registrar: "main"}, "number", "letters, digits"},
		{fleet.Extension{Number: "1", Registrar: "main", DisplayName: "a\nb"}, "display_name", "line break"},
		{fleet.Extension{Number: "1", Registrar: "main", AuthUser: "a\x00"}, "auth_user", "U+0000"},
		{fleet.Extension{Number: "1", Registrar: "main", Password: "hunter2\n"}, "password", "line break"},
	}
	for _, tt := range tests {
		err := checkExtension(two, &tt.e)
		var bad fleet.ValidationError
		if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Field != tt.field || !strings.Contains(bad[0].Message, tt.want) {
			t.Errorf("%+v: %v, want one fault of %s with %q", tt.e, err, tt.field, tt.want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestExtensionsAreFoundWithAndWithoutRegistrar(t *testing.T) {
	r := office(t)
	_ = r.View(func(f fleet.View) error {
		for ref, want := range map[string]string{"1001": "main", "1001@main": "main", "1003@branch": "branch"} {
			e, err := fleet.FindExtension(f, ref)
			if err != nil || e.Registrar != want {
				t.Errorf("%s: %+v, %v", ref, e, err)
			}
		}
		for ref, want := range map[string]string{"1003": "1003@branch or 1003@main", "1001@branch": "there is 1001@main", "1010": "no such extension", "": "no such extension"} {
			_, err := fleet.FindExtension(f, ref)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", ref, err, want)
			}
			if ref != "1003" && !errors.Is(err, fleet.ErrNotFound) {
				t.Errorf("%s: %v is not ErrNotFound", ref, err)
			}
		}
		return nil
	})
}

func TestRemoveInUse(t *testing.T) {
	tests := []struct {
		name   string
		remove func(fleet.Edit, bool) error
		users  []string
		after  func(*testing.T, fleet.View)
	}{
		{"extension", func(e fleet.Edit, force bool) error { return fleet.RemoveExtension(e, "1001", "main", force) },
			[]string{"device 00:15:65:12:34:56"}, func(t *testing.T, f fleet.View) {
				if d, err := f.Device(front); err != nil || len(d.Lines) != 0 {
					t.Errorf("device %+v, %v", d, err)
				}
				if _, err := f.Extension("1001", "main"); !errors.Is(err, fleet.ErrNotFound) {
					t.Errorf("the extension is still there: %v", err)
				}
			}},
		{"registrar", func(e fleet.Edit, force bool) error { return fleet.RemoveRegistrar(e, "main", force) },
			[]string{"extension 1001", "extension 1002", "extension 1003"}, func(t *testing.T, f fleet.View) {
				if e, err := f.Extension("1001", ""); err != nil || e.Password != "s3cret&<>" {
					t.Errorf("the extension is lost with its registrar: %+v, %v", e, err)
				}
				if d, err := f.Device(front); err != nil || d.Lines[0] != (fleet.Line{Position: 1, Extension: "1001"}) {
					t.Errorf("device %+v, %v", d, err)
				}
			}},
		{"profile of a device", func(e fleet.Edit, force bool) error { return fleet.RemoveProfile(e, "reception", force) },
			[]string{"device 00:15:65:12:34:56"}, func(t *testing.T, f fleet.View) {
				if d, err := f.Device(front); err != nil || d.Profile != "" {
					t.Errorf("device %+v, %v", d, err)
				}
			}},
		{"profile of a profile", func(e fleet.Edit, force bool) error { return fleet.RemoveProfile(e, "base", force) },
			[]string{"profile reception"}, func(t *testing.T, f fleet.View) {
				if p, err := f.Profile("reception"); err != nil || p.Parent != "" {
					t.Errorf("profile %+v, %v", p, err)
				}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := office(t)
			err := r.Edit("test", "rm", func(e fleet.Edit) error { return tt.remove(e, false) })
			var used *fleet.InUse
			if !errors.As(err, &used) || !errors.Is(err, fleet.ErrInUse) || !slices.Equal(used.Users, tt.users) || !strings.Contains(err.Error(), tt.users[0]) {
				t.Fatalf("without force: %v, want it in use by %v", err, tt.users)
			}
			edit(t, r, func(e fleet.Edit) error { return tt.remove(e, true) })
			_ = r.View(func(f fleet.View) error { tt.after(t, f); return nil })
			if err := r.Edit("test", "rm", func(e fleet.Edit) error { return tt.remove(e, false) }); !errors.Is(err, fleet.ErrNotFound) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

func TestLinesFollowAnExtensionToAnotherRegistrar(t *testing.T) {
	r := office(t)
	edit(t, r, func(e fleet.Edit) error { return fleet.MoveExtension(e, "1001", "main", "branch") })
	_ = r.View(func(f fleet.View) error {
		d, err := f.Device(front)
		if err != nil || d.Lines[0].Registrar != "branch" {
			t.Errorf("device %+v, %v", d, err)
		}
		return nil
	})
	for _, to := range []string{"nowhere", "branch"} {
		number := map[string]string{"nowhere": "1001", "branch": "1003"}[to]
		from := map[string]string{"nowhere": "branch", "branch": "main"}[to]
		if err := r.Edit("test", "move", func(e fleet.Edit) error { return fleet.MoveExtension(e, number, from, to) }); err == nil {
			t.Errorf("%s can be moved to %s", number, to)
		}
	}
}

func TestInUseNamesAFew(t *testing.T) {
	e := &fleet.InUse{What: "profile x", Users: make([]string, 500)}
	for i := range e.Users {
		e.Users[i] = "device 00:00:00:00:00:00"
	}
	if s := e.Error(); !strings.HasSuffix(s, "and 490 more") || len(s) > 400 {
		t.Errorf("%s", s)
	}
}
