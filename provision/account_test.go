package provision_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/provision"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
)

func TestCheckRegistrarFillsIn(t *testing.T) {
	for transport, port := range map[string]int{"": 5060, "udp": 5060, "tcp": 5060, "tls": 5061, "TLS": 5061} {
		r := provision.Registrar{Name: "main", Host: "pbx", Transport: transport}
		if err := provision.CheckRegistrar(&r); err != nil {
			t.Fatal(err)
		}
		if r.Port != port || time.Duration(r.RegisterExpires) != time.Hour || r.Transport != strings.ToLower(r.Transport) || r.Transport == "" {
			t.Errorf("transport %q: %+v", transport, r)
		}
	}
}

func TestCheckRegistrarNamesEveryFault(t *testing.T) {
	r := provision.Registrar{Name: "-x", Host: "a b", Port: 70000, Transport: "sctp", OutboundProxy: "x:y", BackupHost: "::1",
		RegisterExpires: setting.Duration(time.Second), Settings: setting.Values{"x": 1}}
	want := []string{"name", "host", "transport", "port", "outbound_proxy", "backup_host", "register_expires", "settings.x"}
	if got := fields(provision.CheckRegistrar(&r)); !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
	if got := fields(provision.CheckRegistrar(&provision.Registrar{})); !slices.Equal(got, []string{"name", "host"}) {
		t.Errorf("faults of nothing: %v", got)
	}
}

func checkExtension(r *provisiontest.Records, e *provision.Extension) (err error) {
	_ = r.View(func(f provision.Fleet) error { err = provision.CheckExtension(f, e); return nil })
	return err
}

func TestCheckExtension(t *testing.T) {
	one := &provisiontest.Records{}
	e := provision.Extension{Number: "1001"}
	if err := checkExtension(one, &e); err == nil || !strings.Contains(err.Error(), "there is no registrar yet") {
		t.Errorf("without registrars: %v", err)
	}
	edit(t, one, func(x provision.Edit) error { return x.PutRegistrar(&provision.Registrar{Name: "main"}) })
	if err := checkExtension(one, &e); err != nil || e.Registrar != "main" || e.AuthUser != "1001" {
		t.Errorf("with one registrar: %+v, %v", e, err)
	}
	two := office(t)
	tests := []struct {
		e     provision.Extension
		field string
		want  string
	}{
		{provision.Extension{Number: "1"}, "registrar", "branch, main"},
		{provision.Extension{Number: "1", Registrar: "mian"}, "registrar", "near: main"},
		{provision.Extension{Registrar: "main"}, "number", "needed"},
		{provision.Extension{Number: "a@b", Registrar: "main"}, "number", "letters, digits"},
		{provision.Extension{Number: "1", Registrar: "main", DisplayName: "a\nb"}, "display_name", "line break"},
		{provision.Extension{Number: "1", Registrar: "main", AuthUser: "a\x00"}, "auth_user", "U+0000"},
		{provision.Extension{Number: "1", Registrar: "main", Password: "hunter2\n"}, "password", "line break"},
	}
	for _, tt := range tests {
		err := checkExtension(two, &tt.e)
		var bad provision.ValidationError
		if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Field != tt.field || !strings.Contains(bad[0].Message, tt.want) {
			t.Errorf("%+v: %v, want one fault of %s with %q", tt.e, err, tt.field, tt.want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestFindExtension(t *testing.T) {
	r := office(t)
	_ = r.View(func(f provision.Fleet) error {
		for ref, want := range map[string]string{"1001": "main", "1001@main": "main", "1003@branch": "branch"} {
			e, err := provision.FindExtension(f, ref)
			if err != nil || e.Registrar != want {
				t.Errorf("%s: %+v, %v", ref, e, err)
			}
		}
		for ref, want := range map[string]string{"1003": "1003@branch or 1003@main", "1001@branch": "there is 1001@main", "1010": "no such extension", "": "no such extension"} {
			_, err := provision.FindExtension(f, ref)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", ref, err, want)
			}
			if ref != "1003" && !errors.Is(err, provision.ErrNotFound) {
				t.Errorf("%s: %v is not ErrNotFound", ref, err)
			}
		}
		return nil
	})
}

func TestRemoveInUse(t *testing.T) {
	tests := []struct {
		name   string
		remove func(provision.Edit, bool) error
		users  []string
		after  func(*testing.T, provision.Fleet)
	}{
		{"extension", func(e provision.Edit, force bool) error { return provision.RemoveExtension(e, "1001", "main", force) },
			[]string{"device 00:15:65:12:34:56"}, func(t *testing.T, f provision.Fleet) {
				if d, err := f.Device(front); err != nil || len(d.Lines) != 0 {
					t.Errorf("device %+v, %v", d, err)
				}
				if _, err := f.Extension("1001", "main"); !errors.Is(err, provision.ErrNotFound) {
					t.Errorf("the extension is still there: %v", err)
				}
			}},
		{"registrar", func(e provision.Edit, force bool) error { return provision.RemoveRegistrar(e, "main", force) },
			[]string{"extension 1001", "extension 1002", "extension 1003"}, func(t *testing.T, f provision.Fleet) {
				if e, err := f.Extension("1001", ""); err != nil || e.Password != "s3cret&<>" {
					t.Errorf("the extension is lost with its registrar: %+v, %v", e, err)
				}
				if d, err := f.Device(front); err != nil || d.Lines[0] != (provision.Line{Position: 1, Extension: "1001"}) {
					t.Errorf("device %+v, %v", d, err)
				}
			}},
		{"profile of a device", func(e provision.Edit, force bool) error { return provision.RemoveProfile(e, "reception", force) },
			[]string{"device 00:15:65:12:34:56"}, func(t *testing.T, f provision.Fleet) {
				if d, err := f.Device(front); err != nil || d.Profile != "" {
					t.Errorf("device %+v, %v", d, err)
				}
			}},
		{"profile of a profile", func(e provision.Edit, force bool) error { return provision.RemoveProfile(e, "base", force) },
			[]string{"profile reception"}, func(t *testing.T, f provision.Fleet) {
				if p, err := f.Profile("reception"); err != nil || p.Parent != "" {
					t.Errorf("profile %+v, %v", p, err)
				}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := office(t)
			err := r.Edit("test", "rm", func(e provision.Edit) error { return tt.remove(e, false) })
			var used *provision.InUse
			if !errors.As(err, &used) || !errors.Is(err, provision.ErrInUse) || !slices.Equal(used.Users, tt.users) || !strings.Contains(err.Error(), tt.users[0]) {
				t.Fatalf("without force: %v, want it in use by %v", err, tt.users)
			}
			edit(t, r, func(e provision.Edit) error { return tt.remove(e, true) })
			_ = r.View(func(f provision.Fleet) error { tt.after(t, f); return nil })
			if err := r.Edit("test", "rm", func(e provision.Edit) error { return tt.remove(e, false) }); !errors.Is(err, provision.ErrNotFound) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

func TestMoveExtension(t *testing.T) {
	r := office(t)
	edit(t, r, func(e provision.Edit) error { return provision.MoveExtension(e, "1001", "main", "branch") })
	_ = r.View(func(f provision.Fleet) error {
		d, err := f.Device(front)
		if err != nil || d.Lines[0].Registrar != "branch" {
			t.Errorf("device %+v, %v", d, err)
		}
		return nil
	})
	for _, to := range []string{"nowhere", "branch"} {
		number := map[string]string{"nowhere": "1001", "branch": "1003"}[to]
		from := map[string]string{"nowhere": "branch", "branch": "main"}[to]
		if err := r.Edit("test", "move", func(e provision.Edit) error { return provision.MoveExtension(e, number, from, to) }); err == nil {
			t.Errorf("%s can be moved to %s", number, to)
		}
	}
}

func TestInUseNamesAFew(t *testing.T) {
	e := &provision.InUse{What: "profile x", Users: make([]string, 500)}
	for i := range e.Users {
		e.Users[i] = "device 00:00:00:00:00:00"
	}
	if s := e.Error(); !strings.HasSuffix(s, "and 490 more") || len(s) > 400 {
		t.Errorf("%s", s)
	}
}
