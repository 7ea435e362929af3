package vendors_test

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

// recordMember is a member of a device, its lines or its registrar. set gives it a value, words is what an entry of left_out
// says of it where the phone's files have no place for it.
type recordMember struct {
	name, words string
	set         func(*fleet.Registrar, *fleet.Device)
}

func recordMembers() []recordMember {
	off := false
	line := func(f func(*fleet.Line)) func(*fleet.Registrar, *fleet.Device) {
		return func(_ *fleet.Registrar, d *fleet.Device) { f(&d.Lines[0]) }
	}
	own := func(f func(*fleet.RegistrarOverride)) func(*fleet.Registrar, *fleet.Device) {
		return line(func(l *fleet.Line) { l.Override = &fleet.RegistrarOverride{}; f(l.Override) })
	}
	registrar := func(f func(*fleet.Registrar)) func(*fleet.Registrar, *fleet.Device) {
		return func(r *fleet.Registrar, _ *fleet.Device) { f(r) }
	}
	return []recordMember{
		{"line label", "the label", line(func(l *fleet.Line) { l.Label = "Zebra" })},
		{"line enabled", "", line(func(l *fleet.Line) { l.Enabled = &off })},
		{"line shared", "the shared line appearance", line(func(l *fleet.Line) { l.Shared = true })},
		{"override host", "the host", own(func(o *fleet.RegistrarOverride) { o.Host = "b.example.net" })},
		{"override port", "the port", own(func(o *fleet.RegistrarOverride) { o.Port = 5099 })},
		{"override transport", "the transport", own(func(o *fleet.RegistrarOverride) { o.Transport = "tcp" })},
		{"override outbound_proxy", "the outbound proxy", own(func(o *fleet.RegistrarOverride) { o.OutboundProxy = "edge.example.net:5081" })},
		{"override register_expires", "the time of a registration", own(func(o *fleet.RegistrarOverride) { o.RegisterExpires = setting.Duration(17 * time.Minute) })},
		{"registrar sip_domain", "the SIP domain", registrar(func(r *fleet.Registrar) { r.SIPDomain = "sip.example.net" })},
		{"registrar backup_host", "the backup host", registrar(func(r *fleet.Registrar) { r.BackupHost = "backup.example.net" })},
		{"registrar backup_outbound_proxy", "the backup outbound proxy", registrar(func(r *fleet.Registrar) { r.BackupOutboundProxy = "edge2.example.net" })},
	}
}

func keyRecordMembers() []recordMember {
	key := func(f func(*fleet.Key)) func(*fleet.Registrar, *fleet.Device) {
		return func(_ *fleet.Registrar, d *fleet.Device) { f(&d.Keys[0]) }
	}
	return []recordMember{
		{"key label", ": label: ", key(func(k *fleet.Key) { k.Label = "Zebra" })},
		{"key label_source", ": label: ", key(func(k *fleet.Key) { k.LabelSource = fleet.LabelExtension })},
		{"key pickup_code", ": pickup_code: ", key(func(k *fleet.Key) { k.PickupCode = "*83" })},
		{"key locked", ": locked: ", key(func(k *fleet.Key) { k.Locked = true })},
		{"key line", ": line: ", key(func(k *fleet.Key) { k.Line = 2 })},
	}
}

// TestNoMemberOfARecordIsLostWithoutAWord sets each member of devices, lines, keys and registrars on a model of each family of each pack:
// the phone's files are others then, or the member is refused, or left_out names it.
func TestNoMemberOfARecordIsLostWithoutAWord(t *testing.T) {
	packs := load(t)
	for _, v := range packs.Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			for _, m := range modelsOfFamilies(v) {
				x := memberOffice{t, packs, v, m}
				for _, member := range recordMembers() {
					x.check(member, x.device())
				}
				for _, area := range slices.Sorted(maps.Keys(m.Areas())) {
					d, ok := x.withKey(area)
					if !ok || strings.HasPrefix(area, "expansion") && area != "expansion1" {
						continue
					}
					for _, member := range keyRecordMembers() {
						if member.name != "key line" || m.Lines > 1 {
							x.check(member, d)
						}
					}
				}
			}
		})
	}
}

// modelsOfFamilies returns one model of each set of families of a pack.
func modelsOfFamilies(v *pack.Vendor) (out []*phonefile.Model) {
	seen := map[string]bool{}
	for _, m := range v.Models() {
		if families := strings.Join(m.Families, " "); !seen[families] || families == "" {
			seen[families] = true
			out = append(out, m)
		}
	}
	return out
}

// memberOffice makes devices of one model.
type memberOffice struct {
	t      *testing.T
	packs  *pack.Set
	vendor *pack.Vendor
	model  *phonefile.Model
}

func (x memberOffice) device() fleet.Device {
	d := fleet.Device{MAC: provisiontest.FrontDesk, Vendor: x.vendor.ID, Model: x.model.Name, Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}}
	if x.model.Lines > 1 {
		d.Lines = append(d.Lines, fleet.Line{Position: 2, Extension: "1003", Registrar: "main"})
	}
	return d
}

// records returns the records of an office with a device.
func (x memberOffice) records(r fleet.Registrar, d *fleet.Device) *provisiontest.Records {
	out := &provisiontest.Records{}
	provisiontest.Edit(x.t, out, func(e fleet.Edit) error {
		return errors.Join(e.PutRegistrar(&r),
			e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", DisplayName: "One", Password: "s3cret"}),
			e.PutExtension(&fleet.Extension{Number: "1002", Registrar: "main", DisplayName: "Two", Password: "s3cret"}),
			e.PutExtension(&fleet.Extension{Number: "1003", Registrar: "main", DisplayName: "Three", Password: "s3cret"}), e.PutDevice(d))
	})
	return out
}

// withKey returns a device with a busy lamp key in the last slot of an area that its model has one in.
func (x memberOffice) withKey(area string) (fleet.Device, bool) {
	d := x.device()
	for slot := x.model.Areas()[area]; slot > 0; slot-- {
		for _, kind := range []string{"blf", "speed_dial"} {
			d.Keys = []fleet.Key{{Area: area, Slot: slot, Type: kind, Value: "1002"}}
			r := x.records(plainRegistrar(), &d)
			if resolve.CheckDevice(viewOf(x.t, r), x.packs, &d) == nil && strings.Contains(filesOf(x.t, x.packs, r, &d), "1002") {
				return d, true
			}
		}
	}
	return d, false
}

func plainRegistrar() fleet.Registrar {
	return fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)}
}

// check sets a member on a device.
func (x memberOffice) check(member recordMember, d fleet.Device) {
	x.t.Helper()
	registrar := plainRegistrar()
	if strings.Contains(member.name, "backup_outbound_proxy") {
		registrar.OutboundProxy = "edge.example.net" // there is no second one without a first
	}
	before := x.records(registrar, &d)
	if err := resolve.CheckDevice(viewOf(x.t, before), x.packs, &d); err != nil { // it makes a password for the phone
		x.t.Fatal(err)
	}
	plain := filesOf(x.t, x.packs, before, &d)
	d.Lines, d.Keys = slices.Clone(d.Lines), slices.Clone(d.Keys)
	member.set(&registrar, &d)
	r := x.records(registrar, &d)
	if resolve.CheckDevice(viewOf(x.t, r), x.packs, &d) != nil {
		return
	}
	var left []string
	err := r.View(func(f fleet.View) (err error) {
		left, _, err = resolve.LeftOut(f, x.packs, &fleet.Site{ExternalURL: "http://10.20.0.2/"}, netip.Prefix{}, &d, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
	said := member.words != "" && slices.ContainsFunc(left, func(text string) bool {
		return strings.Contains(text, member.words) && !strings.HasPrefix(text, "line 2: ")
	})
	if member.name == "key locked" && x.vendor.Document().KeysLocked {
		return // its users can change no key that is set
	}
	if differs := filesOf(x.t, x.packs, r, &d) != plain; differs == said {
		x.t.Errorf("%s, %s (%v): the files differ: %t, left_out: %q", x.model.Name, member.name, d.Keys, differs, left)
		x.t.Logf("%s", impact.Unified("f", []byte(plain), []byte(filesOf(x.t, x.packs, r, &d))))
	}
}
