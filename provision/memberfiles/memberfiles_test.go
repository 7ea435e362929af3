package memberfiles

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
)

var (
	shared = netip.MustParsePrefix("10.20.0.0/22")
	far    = netip.MustParsePrefix("10.30.0.0/22") // only the other member serves it
	own    = netip.MustParseAddr("10.20.0.2")
	theirs = netip.MustParseAddr("10.20.0.3")
	phone  = netip.MustParseAddr("10.20.0.50")
)

// fixture is a member with another one, and the fetches of one phone.
type fixture struct {
	*provision.Service
	t       *testing.T
	records *provisiontest.Records
	site    *fleet.Site
	fetches []fleet.Fetch
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, records: provisiontest.Office(t), site: siteWith(own)}
	packs := provisiontest.Packs(t)
	c := provision.Config{Records: f.records, Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return f.site }, Fetches: func(dhcp.MAC) ([]fleet.Fetch, error) { return f.fetches, nil },
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	c = With(c, func(server, phone netip.Addr) (netip.Prefix, bool) {
		for _, p := range []netip.Prefix{shared, far} {
			if server == theirs && p.Contains(phone) {
				return p, true
			}
		}
		return netip.Prefix{}, false
	})
	var err error
	if f.Service, err = provision.New(c); err != nil {
		t.Fatal(err)
	}
	return f
}

func siteWith(server netip.Addr) *fleet.Site {
	return &fleet.Site{Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: shared, NextServer: server}}}}
}

// fetched has the phone fetch its file from a member, at an address.
func (f *fixture) fetched(server, from netip.Addr) {
	f.t.Helper()
	was := f.site
	f.site = siteWith(server)
	files, err := f.Files(f.t.Context(), provisiontest.FrontDesk, netip.Prefix{})
	if err != nil || len(files) == 0 {
		f.t.Fatal(files, err)
	}
	f.site, f.fetches = was, nil
	at := time.Unix(int64(1_700_000_000+f.records.Revision()), 0)
	for _, x := range files {
		f.fetches = append(f.fetches, fleet.Fetch{MAC: provisiontest.FrontDesk, File: x.Name, Kind: x.Kind, Digest: x.Digest, Time: at, From: from, Server: server})
	}
}

func (f *fixture) is(what, want string) {
	f.t.Helper()
	if st, err := f.Status(f.t.Context(), provisiontest.FrontDesk); err != nil || st.State != want {
		f.t.Errorf("%s: %q, %v", what, st.State, err)
	}
}

func (f *fixture) change(name string) {
	f.t.Helper()
	provisiontest.Edit(f.t, f.records, func(e fleet.Edit) error {
		x, err := e.Extension("1001", "main")
		if err != nil {
			return err
		}
		x.DisplayName = name
		return e.PutExtension(x)
	})
}

// A phone that has its files from another member, with that one's address in them, is up to date until they change.
func TestPhoneOfAnotherMemberIsUpToDate(t *testing.T) {
	f := newFixture(t)
	f.fetched(own, phone)
	before := f.fetches
	f.is("from this member", devicestatus.StateInSync)
	f.fetched(theirs, phone)
	if !slices.ContainsFunc(f.fetches, func(x fleet.Fetch) bool {
		return x.Kind == "device" && !slices.ContainsFunc(before, func(b fleet.Fetch) bool { return b.Digest == x.Digest })
	}) {
		t.Fatal("the files of both members are the same")
	}
	f.is("from the other member", devicestatus.StateInSync)
	f.change("another name")
	f.is("from the other member, before a change", devicestatus.StateStale)
	f.fetched(theirs, phone)
	f.is("from the other member, after it", devicestatus.StateInSync)
	f.site = siteWith(netip.MustParseAddr("10.20.0.4"))
	f.is("this member has another address", devicestatus.StateInSync)
	f.fetched(own, phone)
	f.is("from an address that this member had", devicestatus.StateStale)
}

// What this member can't render, for it does not have the subnet, is compared by the times of the records.
func TestPhoneOfAnotherSubnetIsUpToDateUntilItsRecordsChange(t *testing.T) {
	f := newFixture(t)
	f.fetched(theirs, netip.MustParseAddr("10.30.0.50"))
	f.is("as fetched", devicestatus.StateInSync)
	f.change("another name")
	f.is("after a change", devicestatus.StateStale)
	f.fetched(theirs, netip.MustParseAddr("10.30.0.50"))
	f.is("fetched again", devicestatus.StateInSync)
}
