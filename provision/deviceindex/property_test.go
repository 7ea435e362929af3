package deviceindex

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
	"plugtone/provision/selector"
	"plugtone/provision/setting"
	"plugtone/provision/timeline"
)

// TestMain draws fewer examples than rapid's default, unless another number is set.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set("30"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// world is an index over a service, with all that states depend on.
type world struct {
	records *provisiontest.Records
	table   *leasetable.Table
	fetches map[dhcp.MAC][]fleet.Fetch
	entries map[dhcp.MAC][]timeline.Entry
	site    *fleet.Site
	now     time.Time
	service *provision.Service
	index   *Index
}

func (w *world) WriteLeases([]dhcp.Change) error { return nil }

func newWorld(packs *pack.Set) (*world, error) {
	w := &world{records: &provisiontest.Records{}, fetches: map[dhcp.MAC][]fleet.Fetch{}, entries: map[dhcp.MAC][]timeline.Entry{}, now: noon}
	w.site = worldSite("en")
	var subnets []dhcp.Subnet
	for _, n := range w.site.Subnets {
		subnets = append(subnets, n.Subnet)
	}
	w.table = leasetable.NewTable(dhcp.Config{Subnets: subnets}, w, func() time.Time { return w.now })
	var err error
	w.service, err = provision.New(provision.Config{
		Records: w.records, Leases: w.table, Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return w.site }, Now: func() time.Time { return w.now },
		Fetches: func(mac dhcp.MAC) ([]fleet.Fetch, error) { return slices.Clone(w.fetches[mac]), nil },
		Timeline: func(mac dhcp.MAC, n int) ([]timeline.Entry, error) {
			return w.entries[mac][max(0, len(w.entries[mac])-n):], nil
		},
	})
	if err != nil {
		return nil, err
	}
	w.index = New(Config{Records: w.records, Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return w.site }, Compute: w.service.States().Of, Now: func() time.Time { return w.now }})
	w.table.Notify(w.index.LeaseChanged)
	return w, nil
}

func worldSite(language string) *fleet.Site {
	pool := func(prefix, from, to string) fleet.Subnet {
		return fleet.Subnet{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix(prefix), Pools: []dhcp.Range{{First: netip.MustParseAddr(from), Last: netip.MustParseAddr(to)}}, NextServer: netip.MustParseAddr(from).Prev()}}
	}
	return &fleet.Site{Subnets: []fleet.Subnet{pool("10.20.0.0/24", "10.20.0.10", "10.20.0.20"), pool("10.30.0.0/24", "10.30.0.10", "10.30.0.20")}, TimeZone: "Europe/Berlin",
		Settings: setting.Values{"admin_password": setting.Secret(language)}}
}

var (
	worldMACs  = []dhcp.MAC{numbered(1), numbered(2), numbered(3), numbered(4), numbered(5)}
	otherMACs  = []dhcp.MAC{numbered(101), numbered(102), numbered(103), numbered(104), numbered(105)}
	worldAddrs = []netip.Addr{netip.MustParseAddr("10.20.0.10"), netip.MustParseAddr("10.20.0.11"), netip.MustParseAddr("10.30.0.10"), netip.MustParseAddr("10.30.0.11")}
)

// edit changes records at random.
func (w *world) edit(t *rapid.T) error {
	extensions, profiles := []string{"1001", "1002"}, []string{"desk", "base"}
	return w.records.Edit("test", "test", func(e fleet.Edit) error {
		switch rapid.SampledFrom([]string{"device", "device", "device", "gone", "extension", "profile", "registrar"}).Draw(t, "record") {
		case "device":
			d := &fleet.Device{MAC: rapid.SampledFrom(worldMACs).Draw(t, "mac"), Enabled: rapid.IntRange(0, 5).Draw(t, "enabled") > 0, Vendor: "acme", Model: "A4",
				Label: fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "label")), Lines: []fleet.Line{{Position: 1, Extension: rapid.SampledFrom(extensions).Draw(t, "line"), Registrar: "main"}}}
			d.Profile = rapid.SampledFrom(append([]string{""}, profiles...)).Draw(t, "profile")
			if rapid.Bool().Draw(t, "key") {
				d.Keys = []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: rapid.SampledFrom(extensions).Draw(t, "value"), Label: "x", LabelSource: rapid.SampledFrom([]string{"", fleet.LabelExtension}).Draw(t, "source")}}
			}
			if rapid.Bool().Draw(t, "reserved") {
				d.ReservedIP = rapid.SampledFrom(worldAddrs).Draw(t, "reserved address")
			}
			if rapid.Bool().Draw(t, "other") {
				d.OtherMACs = []dhcp.MAC{otherMACs[slices.Index(worldMACs, d.MAC)]} // a store refuses that of another device
			}
			return e.PutDevice(d)
		case "gone":
			if err := e.DeleteDevice(rapid.SampledFrom(worldMACs).Draw(t, "mac")); err != nil {
				return nil // there is none
			}
			return nil
		case "extension":
			return e.PutExtension(&fleet.Extension{Number: rapid.SampledFrom(extensions).Draw(t, "number"), Registrar: "main", DisplayName: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "name"))})
		case "profile":
			name := rapid.SampledFrom(profiles).Draw(t, "name")
			p := &fleet.Profile{Name: name, Settings: setting.Values{"voice_vlan": rapid.IntRange(1, 3).Draw(t, "vlan")}}
			if name == "desk" && rapid.Bool().Draw(t, "parent") {
				p.Parent = "base"
			}
			return e.PutProfile(p)
		}
		return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: fmt.Sprintf("pbx%d.example.com", rapid.IntRange(0, 2).Draw(t, "host")), Port: 5060, Transport: "udp"})
	})
}

// happen lets something happen to a phone, and reports it as the daemon does.
func (w *world) happen(t *rapid.T) {
	mac := rapid.SampledFrom(append(slices.Clone(worldMACs), otherMACs...)).Draw(t, "phone")
	addr := rapid.SampledFrom(worldAddrs).Draw(t, "address")
	w.now = w.now.Add(time.Second)
	switch rapid.SampledFrom([]string{"lease", "lease", "fetch", "fetch", "entry", "time", "site", "new year"}).Draw(t, "what") {
	case "lease":
		l := dhcp.Lease{Addr: addr, MAC: mac, State: rapid.SampledFrom([]dhcp.LeaseState{dhcp.LeaseActive, dhcp.LeaseActive, dhcp.LeaseReleased, dhcp.LeaseDeclined}).Draw(t, "state"),
			CircuitID: rapid.SampledFrom([]string{"", "Gi1/0/7", "Gi1/0/8"}).Draw(t, "port"), FirstSeen: w.now, Starts: w.now, Expires: w.now.Add(time.Duration(rapid.IntRange(1, 48).Draw(t, "hours")) * time.Hour)}
		n, _ := w.site.SubnetOf(addr)
		l.Subnet = n.Prefix
		w.table.Commit([]dhcp.Change{{Lease: l, Delete: rapid.IntRange(0, 5).Draw(t, "delete") == 0}}, nil)
		w.table.WriteQueued()
	case "fetch":
		f := fleet.Fetch{MAC: mac, File: mac.Hex() + ".cfg", Kind: "device", Time: w.now, From: addr, Firmware: fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "firmware"))}
		if rapid.IntRange(0, 3).Draw(t, "right") > 0 {
			f.Digest = w.service.Answer(context.Background(), provision.Request{Transport: fleet.Preview, Name: f.File, As: mac}).Digest
		}
		w.fetches[mac] = append(slices.DeleteFunc(w.fetches[mac], func(o fleet.Fetch) bool { return o.File == f.File }), f)
		w.index.Touch(mac)
	case "entry":
		verdict := rapid.SampledFrom([]string{timeline.Refused, timeline.Refused, timeline.Served}).Draw(t, "verdict")
		w.entries[mac] = append(w.entries[mac], timeline.Entry{Time: w.now, MAC: mac, Source: "http", Verdict: verdict, Addr: addr})
		w.index.Touch(mac)
	case "time":
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour)
	case "site":
		w.site = worldSite(rapid.SampledFrom([]string{"one", "two"}).Draw(t, "password"))
	case "new year":
		w.now = time.Date(w.now.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
}

// check compares the index with records and states that are read and computed now.
func (w *world) check(t *rapid.T) {
	fresh := map[dhcp.MAC]devicestatus.Status{}
	records := map[dhcp.MAC]*fleet.Device{}
	err := w.records.View(func(f fleet.View) error {
		for d, err := range f.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			records[d.MAC] = d
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	states := w.service.States()
	states.Places = nil
	for mac, d := range records {
		c, err := states.Of(t.Context(), d, devicestatus.Known{})
		if err != nil {
			t.Fatal(err)
		}
		fresh[mac] = c.Status
	}
	order, _ := SortBy("mac", 100, "")
	page, err := w.index.List(t.Context(), Query{}, order)
	if err != nil || len(page.Items) != len(fresh) || page.Total != len(fresh) {
		t.Fatalf("%d items, total %d, want %d, %v", len(page.Items), page.Total, len(fresh), err)
	}
	for _, item := range page.Items {
		if got, want := fmt.Sprint(*item.Status), fmt.Sprint(fresh[item.Device.MAC]); got != want {
			t.Fatalf("%s: the index has %s, fresh is %s", item.Device.MAC, got, want)
		}
	}
	for _, state := range allStates {
		got, err := w.index.Select(t.Context(), selector.Selector{selector.Is("state", state)})
		if err != nil {
			t.Fatal(err)
		}
		for mac, st := range fresh {
			if slices.Contains(got, mac) != (st.State == state) {
				t.Fatalf("%s is %s, but selected as %s: %v", mac, st.State, state, got)
			}
		}
	}
	for mac, d := range records {
		got, err := w.index.Select(t.Context(), selector.Selector{selector.Is("label", d.Label), selector.Is("profile", d.Profile)})
		if err != nil || !slices.Contains(got, mac) {
			t.Fatalf("%s is not selected by its label and profile: %v, %v", mac, got, err)
		}
	}
}

var allStates = []string{devicestatus.StateNeverSeen, devicestatus.StateNeverFetched, devicestatus.StateInSync, devicestatus.StateStale, devicestatus.StateRefused, devicestatus.StateDisabled}

// TestRowsAreWhatIsTrueNow: after any changes of records, leases, fetches, timelines, configuration and time, lists and selections are what
// reading and computing everything again gives.
func TestRowsAreWhatIsTrueNow(t *testing.T) {
	packs := provisiontest.Packs(t)
	rapid.Check(t, func(t *rapid.T) {
		w, err := newWorld(packs)
		if err != nil {
			t.Fatal(err)
		}
		err = w.records.Edit("test", "test", func(e fleet.Edit) error {
			for _, n := range []string{"1001", "1002"} {
				if err := e.PutExtension(&fleet.Extension{Number: n, Registrar: "main", DisplayName: "0"}); err != nil {
					return err
				}
			}
			if err := e.PutProfile(&fleet.Profile{Name: "desk"}); err != nil {
				return err
			}
			if err := e.PutProfile(&fleet.Profile{Name: "base"}); err != nil {
				return err
			}
			for _, mac := range worldMACs {
				if err := e.PutDevice(&fleet.Device{MAC: mac, Enabled: true, Vendor: "acme", Model: "A4", Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}}); err != nil {
					return err
				}
			}
			return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"})
		})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				if rapid.Bool().Draw(t, "edit") {
					_ = w.edit(t) // what the records refuse changes nothing
				} else {
					w.happen(t)
				}
			}
			w.check(t)
		}
	})
}
