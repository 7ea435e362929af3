// Package webtest tests the admin page with a real browser, Debian's Chromium. A test of a screen is a few lines:
//
//	func TestMain(m *testing.M) { webtest.Main(m) }
//
//	func TestThings(t *testing.T) {
//		b := webtest.New(t).As(t, "operator")
//		b.Open("/things")
//		b.WaitText("h1", "Things")
//		b.Check("things") // axe-core, both colour schemes, both widths, screenshots
//		b.Click("a.button.primary")
//		...
//	}
//
// Screenshots go to the folder $PLUGTONE_SCREENSHOTS, if that is set.
package webtest

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"plugtone/admin/access"
	"plugtone/admin/admintest"
	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/deviceindex"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/pack"
	"plugtone/provision/setting"
	"plugtone/provision/timeline"
	"plugtone/provision/uploads"
	"plugtone/provision/vendors"
)

// Site is an admin server with an office's phones, and the packs that come with plugtone. Its clock is at admintest.Noon.
type Site struct {
	*admintest.Fixture
	URL string         // of the page
	API *client.Client // with the role admin

	uploads *uploads.Store
}

// loadPacks loads the built-in packs once: they don't change.
var loadPacks = sync.OnceValues(func() (*pack.Set, error) { return pack.Load(pack.Config{Builtin: vendors.FS}) })

// Empty serves a site without records. Tokens admin, operator and viewer have these words as their secrets.
func Empty(t testing.TB) *Site {
	t.Helper()
	s := &Site{Fixture: admintest.New(t)}
	var err error
	if s.Packs, err = loadPacks(); err != nil {
		t.Fatal(err)
	}
	s.withTimeline(t)
	for _, role := range []string{"admin", "operator", "viewer"} {
		if err := s.PutToken("test", fleet.Token{Name: role, Role: role, Hash: access.HashToken(role)}); err != nil {
			t.Fatal(err)
		}
	}
	s.Restart(t)
	return s
}

// Restart serves the site by another server, with its Config as it is now. Sessions end.
func (s *Site) Restart(t testing.TB) {
	t.Helper()
	srv := httptest.NewServer(s.Server(t).Handler())
	t.Cleanup(srv.CloseClientConnections)
	s.URL = srv.URL
	var err error
	if s.API, err = client.New(srv.URL, "admin"); err != nil {
		t.Fatal(err)
	}
}

// UseRecords puts a store in the place of the records in memory.
func (s *Site) UseRecords(t testing.TB, r interface {
	fleet.Records
	fleet.Changes
}) {
	t.Helper()
	s.Config.API.Records, s.Config.API.Changes = r, r
	s.withTimeline(t)
	s.Restart(t)
}

// withTimeline rebuilds the provisioning service with the timeline, so that phones can be refused.
func (s *Site) withTimeline(t testing.TB) {
	t.Helper()
	if s.uploads == nil {
		var err error
		if s.uploads, err = uploads.OpenFolder(t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.uploads.Close() })
	}
	site := s.Config.API.Site()
	site.Settings = setting.Values{"admin_password": setting.Secret("site-admin"), "language": "en"}
	build := func(records fleet.Records) (*provision.Service, error) {
		return provision.New(provision.Config{Records: records, Leases: s, Packs: func() *pack.Set { return s.Packs }, Site: func() *fleet.Site { return site },
			Fetches: s.Fetches, Timeline: s.Timeline, Uploads: s.uploads, Now: func() time.Time { return admintest.Noon }})
	}
	var err error
	if s.Service, err = build(s.Config.API.Records); err != nil {
		t.Fatal(err)
	}
	s.Config.API.Phones, s.Config.API.Trust = s.Service, s.Service
	s.Config.API.Index = deviceindex.New(deviceindex.Config{Records: s.Config.API.Records, Packs: func() *pack.Set { return s.Packs }, Site: func() *fleet.Site { return site },
		Compute: s.Service.States().Of, Now: func() time.Time { return admintest.Noon }})
	s.Config.API.Preview = func(other fleet.Records) (impact.Renderer, error) { return build(other) }
}

// Upload stores a file as phone i of the office uploads it.
func (s *Site) Upload(t testing.TB, i int, name, text string) {
	t.Helper()
	u, err := s.uploads.Begin(Phone(i), name, 1<<20)
	if err == nil {
		_, err = u.Write([]byte(text))
	}
	if err == nil {
		err = u.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// New serves a site with an office: see Office.
func New(t testing.TB) *Site {
	t.Helper()
	s := Empty(t)
	s.Office(t)
	return s
}

// model is a model of the office and the prefix of its MACs.
type model struct{ prefix, name, firmware string }

func models() []model {
	return []model{
		{"00:15:65", "yealink/T46U", "108.86.0.70"}, {"80:5e:c0", "yealink/T54W", "96.86.0.70"}, {"00:04:13", "snom/D785", "10.1.184.15"},
		{"c0:74:ad", "grandstream/GRP2614", "1.0.11.64"}, {"64:16:7f", "polycom/VVX450", "6.4.6.2453"}, {"0c:38:3e", "fanvil/X4U", "2.12.16"},
	}
}

// places are locations of the office with the profile and a tag of the phones there.
func places() [][3]string {
	return [][3]string{
		{"Berlin, ground floor", "reception", "pilot"}, {"Berlin, 1st floor", "desk", ""}, {"Berlin, 2nd floor", "desk", ""},
		{"Hamburg, warehouse", "warehouse", "dect"}, {"Munich, 3rd floor", "desk", "new-site"},
	}
}

func people() []string {
	return []string{"Amelia Wright", "Noah Becker", "Sofia Rossi", "Liam O'Connor", "Mia Hoffmann", "Ethan Clark", "Lena Vogel", "Jonas Weber", "Chloé Dubois",
		"Oliver Schmidt", "Emma Fischer", "Lucas Meyer", "Hannah Schulz", "Ben Wagner", "Zoë Lindqvist", "Paul Krüger", "Nina Petrova", "Max Braun",
		"Clara Neumann", "Felix Hartmann", "Ida Sørensen", "Tom Zimmermann", "Ella Krause", "Samuel Lang"}
}

// Phones is how many devices the office has.
const Phones = 48

// Phone returns the MAC of the office's phone i, from 0.
func Phone(i int) dhcp.MAC {
	all := models()
	mac, err := dhcp.ParseMAC(fmt.Sprintf("%s:10:%02x:%02x", all[i%len(all)].prefix, i/16, i*5%256))
	if err != nil {
		panic(err)
	}
	return mac
}

// Office creates a registrar, three profiles (a key of warehouse fits not every model), extensions 1001 and up, and devices in every state. Most
// are in sync.
func (s *Site) Office(t testing.TB) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	_, err := s.API.Registrars().Put(ctx, "main", map[string]any{"host": "pbx.example.com"}, "")
	must(err)
	for _, name := range []string{"desk", "reception", "warehouse"} {
		keys := []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "1001", LabelSource: fleet.LabelExtension}, {Area: "line", Slot: 3, Type: "speed_dial", Value: "112", Label: "Emergency"}}
		if name == "warehouse" { // not every model has this key
			keys = append(keys, fleet.Key{Area: "memory", Slot: 3, Type: "blf", Value: "1002", Label: "Foreman"})
		}
		_, err := s.API.Profiles().Put(ctx, name, map[string]any{"keys": keys, "settings": map[string]any{"language": "de"}}, "")
		must(err)
	}
	for i := range Phones {
		who := people()[i%len(people())]
		number := fmt.Sprint(1001 + i)
		_, err := s.API.Extensions().Put(ctx, number, map[string]any{"display_name": who, "password": "s3cret-" + number}, "")
		must(err)
	}
	for i := range Phones {
		place, m := places()[i*7/10%5], models()[i%len(models())]
		d := map[string]any{"mac": Phone(i).String(), "model": m.name, "label": people()[i%len(people())], "profile": place[1], "location": place[0],
			"lines": []fleet.Line{{Extension: fmt.Sprint(1001 + i)}}}
		if place[2] != "" {
			d["tags"] = []string{place[2]}
		}
		if i == 5 {
			d["enabled"] = false
		}
		_, err := s.API.Devices().Create(ctx, d)
		must(err)
	}
	for i := range Phones {
		s.boot(t, i)
	}
	s.newPhones()
}

// boot makes what happened to phone i on the network: a lease and fetches, or less.
func (s *Site) boot(t testing.TB, i int) {
	t.Helper()
	mac, m := Phone(i), models()[i%len(models())]
	if i%12 == 3 {
		return // never seen
	}
	addr := fmt.Sprintf("10.20.1.%d", 10+i)
	ip := netip.MustParseAddr(addr)
	lease := dhcp.Lease{Addr: ip, MAC: mac, Subnet: netip.MustParsePrefix("10.20.0.0/22"), State: dhcp.LeaseActive, Starts: admintest.Noon.Add(-time.Hour), Expires: admintest.Noon.Add(23 * time.Hour),
		Vendor: strings.Split(m.name, "/")[0], Hostname: "sip-" + mac.Hex(), RemoteID: fmt.Sprintf("switch-%d", 1+i/24), CircuitID: fmt.Sprintf("Gi1/0/%d", 1+i%24)}
	if err := s.WriteLeases([]dhcp.Change{{Lease: lease}}); err != nil {
		t.Fatal(err)
	}
	at := admintest.Noon.Add(-time.Duration(i*i+3) * time.Minute)
	s.Happened(timeline.Entry{Time: at.Add(-20 * time.Second), MAC: mac, Source: "dhcp", Event: "discover", Verdict: "offered", Addr: ip, Interface: "voice0"})
	s.Happened(timeline.Entry{Time: at.Add(-19 * time.Second), MAC: mac, Source: "dhcp", Event: "request", Verdict: "acked", Addr: ip, Interface: "voice0", Options: "1 3 6 51 54 66=http://10.20.0.2/"})
	if i%12 == 7 {
		return // never fetched
	}
	files, err := s.Service.Files(t.Context(), mac, netip.Prefix{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Outcome != "served" {
			continue
		}
		if i%12 == 9 {
			f.Digest = "0000" // stale: something else was fetched
		}
		s.Fetched(fleet.Fetch{MAC: mac, File: f.Name, Kind: f.Kind, Digest: f.Digest, Size: f.Size, Time: at, From: ip, Transport: fleet.HTTP, Firmware: m.firmware})
		s.Happened(timeline.Entry{Time: at, MAC: mac, Source: "http", Event: "get", Verdict: "served", Addr: ip, File: f.Name, Kind: f.Kind, Bytes: f.Size, Digest: f.Digest, Firmware: m.firmware})
	}
	if i == 11 || i == 23 {
		s.Happened(timeline.Entry{Time: at.Add(5 * time.Minute), MAC: mac, Source: "http", Event: "get", Verdict: "refused", Reason: "the phone has not proved to be this phone: its lease is on another switch port", Addr: ip, File: mac.Hex() + ".cfg"})
	}
}

// newPhones puts phones without a record on the network.
func (s *Site) newPhones() {
	for i, m := range models()[:3] {
		mac, err := dhcp.ParseMAC(fmt.Sprintf("%s:77:00:%02x", m.prefix, i))
		if err != nil {
			panic(err)
		}
		s.Discover(fleet.Discovered{MAC: mac, FirstSeen: admintest.Noon.Add(-time.Hour), LastSeen: admintest.Noon.Add(-time.Duration(i+1) * time.Minute),
			Vendor: strings.Split(m.name, "/")[0], Model: strings.Split(m.name, "/")[1], Firmware: m.firmware, Reason: "DHCP vendor class",
			IP: netip.MustParseAddr(fmt.Sprintf("10.20.2.%d", 10+i)), Subnet: netip.MustParsePrefix("10.20.0.0/22"), CircuitID: fmt.Sprintf("Gi1/0/%d", 7+i), RemoteID: "switch-3"})
	}
}
