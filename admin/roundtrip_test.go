package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// randomFleet draws records of every kind. Each member is set in some of them.
type randomFleet struct{ t *rapid.T }

func (r randomFleet) text(label string) string {
	return rapid.SampledFrom([]string{"", "Front Desk", "Über \"x\" & <y>", "=1+1", "-5", "'quoted", "zwei  Wörter", "007"}).Draw(r.t, label)
}

func (r randomFleet) bool(label string) bool { return rapid.Bool().Draw(r.t, label) }

func (r randomFleet) keys() (keys []fleet.Key) {
	for _, slot := range rapid.SliceOfNDistinct(rapid.IntRange(2, 6), 0, 4, rapid.ID[int]).Draw(r.t, "slots") {
		k := fleet.Key{Area: "line", Slot: slot, Type: rapid.SampledFrom([]string{"blf", "speed_dial", "line"}).Draw(r.t, "type")}
		if k.Type != "line" {
			k.Value = rapid.SampledFrom([]string{"1001", "1002", "*97", "a,label=b"}).Draw(r.t, "value")
			if r.bool("follows") {
				k.LabelSource = fleet.LabelExtension
			}
		}
		k.Label, k.Locked = r.text("label"), r.bool("locked")
		if r.bool("has line") {
			k.Line = 1
		}
		if r.bool("has pickup") {
			k.PickupCode = "**8"
		}
		keys = append(keys, k)
	}
	return keys
}

func (r randomFleet) contacts() (list []fleet.Contact) {
	for range rapid.IntRange(0, 2).Draw(r.t, "contacts") {
		list = append(list, fleet.Contact{Name: "x" + r.text("name"), Number: "1", Mobile: rapid.SampledFrom([]string{"", "2"}).Draw(r.t, "mobile"),
			Home: rapid.SampledFrom([]string{"", "3"}).Draw(r.t, "home"), Group: strings.TrimSpace(r.text("group"))})
	}
	return list
}

func (r randomFleet) settings() setting.Values {
	all := setting.Values{"language": "de", "admin_password": setting.Secret("s,e;c"), "ntp_servers": []string{"a.example", "b.example"}}
	maps.DeleteFunc(all, func(name string, _ any) bool { return r.bool(name) })
	if len(all) == 0 {
		return nil
	}
	return all
}

func (r randomFleet) extras() map[string]map[string]string {
	if r.bool("no extras") {
		return nil
	}
	return map[string]map[string]string{"acme": {"sip.x": "1" + r.text("extra"), "sip.password": "geheim"}}
}

func (r randomFleet) registrars() []*fleet.Registrar {
	list := []*fleet.Registrar{{Name: "main", Host: "pbx.example.com", Port: rapid.SampledFrom([]int{0, 5070}).Draw(r.t, "port"), Transport: "tls",
		OutboundProxy: "proxy:5060", BackupHost: "b.example", SIPDomain: "example.net", BackupOutboundProxy: "p2:5060", RegisterExpires: setting.Duration(15 * time.Minute),
		Settings: r.settings()}}
	if r.bool("two registrars") {
		list = append(list, &fleet.Registrar{Name: "branch", Host: "10.0.0.1"})
	}
	return list
}

func (r randomFleet) device(i int, registrar string) *fleet.Device {
	d := &fleet.Device{MAC: dhcp.MAC{0, 0x15, 0x65, 0, 0, byte(i)}, Vendor: "acme", Model: "A4", Label: r.text("label"), Enabled: r.bool("enabled"), BeyondModel: r.bool("beyond model"),
		Notes: rapid.SampledFrom([]string{"", "a,b;c\td\ne", " padded ", "=x"}).Draw(r.t, "notes"), Location: strings.TrimSpace(r.text("location")), Keys: r.keys(), Contacts: r.contacts(), Settings: r.settings(), VendorSettings: r.extras()}
	if r.bool("has profile") {
		d.Profile = rapid.SampledFrom([]string{"base", "desk"}).Draw(r.t, "profile")
	}
	if r.bool("has address") {
		d.ReservedIP = netip.AddrFrom4([4]byte{10, 20, 0, byte(100 + i)})
	}
	if r.bool("has other") {
		d.OtherMACs = []dhcp.MAC{{0, 0x15, 0x65, 1, 0, byte(i)}}
	}
	if r.bool("has serial") {
		d.Serial, d.Tags = "123", []string{"pilot", "x.y"}
	}
	for n := range rapid.IntRange(1, 2).Draw(r.t, "lines") {
		l := fleet.Line{Position: n + 1, Extension: []string{"1001", "1002"}[n], Registrar: registrar, Label: strings.TrimSpace(r.text("line label")), Shared: r.bool("shared")}
		if r.bool("off") {
			l.Enabled = new(false)
		}
		if r.bool("override") {
			l.Override = &fleet.RegistrarOverride{Host: "o.example", Port: 5099, Transport: "tcp", OutboundProxy: "op", RegisterExpires: setting.Duration(time.Hour)}
		}
		d.Lines = append(d.Lines, l)
	}
	return d
}

// store fills an API with the fleet.
func (r randomFleet) store(a *api) {
	err := a.Records.Edit("test", "random", func(e fleet.Edit) error {
		registrars := r.registrars()
		for _, x := range registrars {
			if err := fleet.CheckRegistrar(x); err != nil {
				return err
			}
			if err := e.PutRegistrar(x); err != nil {
				return err
			}
		}
		for _, x := range registrars {
			for _, number := range []string{"1001", "1002"} {
				e1 := &fleet.Extension{Number: number, Registrar: x.Name, DisplayName: strings.TrimSpace(r.text("display")), AuthUser: "u" + number, Password: "p w", Voicemail: "*97"}
				if err := fleet.CheckExtension(e, e1); err != nil {
					return err
				}
				if err := e.PutExtension(e1); err != nil {
					return err
				}
			}
		}
		for _, p := range []*fleet.Profile{{Name: "base"}, {Name: "desk", Parent: "base", Keys: r.keys(), Contacts: r.contacts(), Settings: r.settings(), VendorSettings: r.extras()},
			{Name: "elsewhere", Upstream: []string{"https://pbx.example.net/app/"}, UpstreamUser: "provision", UpstreamPassword: "hush"}} {
			if err := resolve.CheckProfile(e, a.Packs, p); err != nil {
				return err
			}
			if err := e.PutProfile(p); err != nil {
				return err
			}
		}
		for i := range rapid.IntRange(1, 4).Draw(r.t, "devices") {
			d := r.device(i+1, registrars[len(registrars)-1].Name)
			if err := resolve.CheckDevice(e, a.Packs, d); err != nil {
				return err
			}
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestExportThenApplyGivesTheSameStore draws fleets. An export that is applied to its own store changes nothing, in every format,
// with and without secrets; applied to an empty store it gives the same records.
func TestExportThenApplyGivesTheSameStore(t *testing.T) {
	used := map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		a := newAPI(t)
		randomFleet{rt}.store(a)
		revision := a.Records.Revision()
		full := a.as("admin", "GET /api/v1/export?reveal=true", "")
		for _, export := range []reply{full, a.as("viewer", "GET /api/v1/export", ""), a.as("operator", "GET /api/v1/export", "")} {
			r := a.as("operator", "POST /api/v1/apply", export.body, "Content-Type: application/json")
			if export.status != 200 || r.status != 200 || a.Records.Revision() != revision {
				rt.Fatalf("applied to itself: %s\n%s", r.body, export.body)
			}
		}
		for _, query := range []string{"", "&reveal=true"} {
			table := a.as("admin", "GET /api/v1/export?format=csv"+query, "")
			r := a.as("operator", "POST /api/v1/apply", table.body, "Content-Type: text/csv")
			if r.status != 200 || a.Records.Revision() != revision {
				rt.Fatalf("table applied to itself: %s\n%s", r.body, table.body)
			}
		}
		b := newAPI(t)
		if r := b.as("admin", "POST /api/v1/apply", full.body, "Content-Type: application/json"); r.status != 200 {
			rt.Fatalf("applied to an empty store: %s\n%s", r.body, full.body)
		}
		if again := b.as("admin", "GET /api/v1/export?reveal=true", ""); again.body != full.body {
			rt.Fatalf("got  %s\nwant %s", again.body, full.body)
		}
		var doc any
		if err := json.Unmarshal([]byte(full.body), &doc); err != nil {
			rt.Fatal(err)
		}
		collectMembers(used, "", doc)
	})
	missing := unusedMembers(used, "", reflect.TypeFor[client.FleetDocument]())
	if len(missing) > 0 {
		t.Errorf("members that no drawn fleet has: %v", missing)
	}
}

// collectMembers notes the members of a JSON value that have one.
func collectMembers(used map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			collectMembers(used, path+"."+name, inner)
		}
	case []any:
		for _, inner := range v {
			collectMembers(used, path, inner)
		}
	default:
		used[path] = true
	}
}

// unusedMembers returns the members of a type that were not noted, but for those that a write ignores.
func unusedMembers(used map[string]bool, path string, t reflect.Type) (missing []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[netip.Addr]() || t == reflect.TypeFor[trust.Credentials]() {
		for name := range used {
			if name == path || strings.HasPrefix(name, path+".") {
				return nil
			}
		}
		return []string{path}
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if slices.Contains([]string{"revision", "created_at", "updated_at", "source", "source_members", "gone", "status", "warnings"}, name) {
			continue
		}
		if t.Field(i).Anonymous && name == "" {
			missing = append(missing, unusedMembers(used, path, t.Field(i).Type)...)
			continue
		}
		missing = append(missing, unusedMembers(used, path+"."+name, t.Field(i).Type)...)
	}
	return missing
}

func TestApplyNeedsTheRoleOperatorAndRevealAdmin(t *testing.T) {
	a := fleetOf(t)
	a.want(a.as("viewer", "POST /api/v1/apply", "{}"), "apply of a viewer", 403)
	a.want(a.as("operator", "GET /api/v1/export?reveal=true", ""), "reveal of an operator", 403)
	a.do("POST /api/v1/apply", "[]", 400)
	a.do("POST /api/v1/apply", "mac\n", 415, "Content-Type: text/plain")
	a.do("POST /api/v1/apply?map=x", "mac\n", 422, "Content-Type: text/csv")
	if audit := a.as("admin", "GET /api/v1/export?reveal=true", ""); !strings.Contains(audit.body, "s3cret") {
		t.Errorf("%s", audit.body)
	}
	if audit := a.as("admin", "GET /api/v1/audit?limit=1", ""); !strings.Contains(audit.body, "export with secrets") {
		t.Errorf("%s", audit.body)
	}
	if r := a.do("GET /api/v1/export", "", 200); strings.Contains(r.body, "s3cret") || strings.Contains(r.body, "topsecret") || strings.Contains(r.body, "credentials") {
		t.Errorf("%s", r.body)
	}
}

func TestProgressOfAnApplyIsSent(t *testing.T) {
	a := fleetOf(t)
	var rows strings.Builder
	rows.WriteString("mac,label\n")
	for i := range 5 {
		fmt.Fprintf(&rows, "0015650001%02d,x\n", i)
	}
	r := a.do("POST /api/v1/apply", rows.String(), 200, "Content-Type: text/csv", "Accept: application/x-ndjson")
	lines := strings.Split(strings.TrimSpace(r.body), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `"new":5`) {
		t.Errorf("%s", r.body)
	}
	r = a.do("POST /api/v1/apply", "mac,label\nx,y\n", 200, "Content-Type: text/csv", "Accept: application/x-ndjson")
	if !strings.Contains(r.body, `"problem"`) || !strings.Contains(r.body, "row 2, column mac") {
		t.Errorf("%s", r.body)
	}
	r = a.do("POST /api/v1/apply?dry_run=true", "mac,label\n001565000199,y\n", 200, "Content-Type: text/csv", "Accept: application/x-ndjson")
	if !strings.Contains(r.body, `"preview"`) {
		t.Errorf("%s", r.body)
	}
}
