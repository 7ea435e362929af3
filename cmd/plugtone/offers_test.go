package main

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/rogpeppe/go-internal/txtar"

	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/wire"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/provisiontest"
	"plugtone/provision/trust"
)

var update = flag.Bool("update", false, "rewrite goldens")

// TestOffers holds the bytes of the OFFER that a phone of each vendor gets for the bytes of its DISCOVER, in a subnet with a
// voice VLAN: testdata/offers has a file VENDOR.txtar for each pack, and VENDOR.WHAT.txtar for phones of it that get other
// things. The options are listed too, as another decoder reads them. The pack in testdata/packs has the forms that no other needs.
func TestOffers(t *testing.T) {
	c := provisiontest.Vendors(t)
	c.Dirs = []string{"testdata/packs"}
	packs, err := packcheck.Load(c)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Clone(c.Experimental)
	files, err := filepath.Glob("testdata/offers/*.*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no further phones: %v", err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".txtar"))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { offerGolden(t, packs, name) })
	}
}

// softphones are the packs of programs: nothing in a DHCP packet shows that they run on its sender.
var softphones = []string{"acrobits", "linphone", "sipnetic", "zoiper"}

func offerGolden(t *testing.T, packs *pack.Set, name string) {
	id, _, _ := strings.Cut(name, ".")
	path := filepath.Join("testdata/offers", name+".txtar")
	golden, err := txtar.ParseFile(path)
	if *update && errors.Is(err, fs.ErrNotExist) {
		golden, err = newOffer(t, id), nil
	}
	if err != nil {
		t.Fatalf("%v\nhint: -update makes it from the pack's testdata/recognise.csv", err)
	}
	part := func(name string) *txtar.File {
		for i := range golden.Files {
			if golden.Files[i].Name == name {
				return &golden.Files[i]
			}
		}
		golden.Files = append(golden.Files, txtar.File{Name: name})
		return &golden.Files[len(golden.Files)-1]
	}
	discover, err := hex.DecodeString(strings.Join(strings.Fields(string(part("discover.hex").Data)), ""))
	if err != nil {
		t.Fatalf("%s: discover.hex: %v", path, err)
	}
	offer, ev := offerFor(t, packs, discover)
	if ev.Vendor != id && !slices.Contains(softphones, id) {
		t.Errorf("recognised as %q", ev.Vendor)
	}
	for name, got := range map[string]string{"offer.hex": dump(offer), "options.txt": optionsOf(t, offer)} {
		f := part(name)
		if *update {
			f.Data = []byte(got)
		}
		if diff := cmp.Diff(string(f.Data), got); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", name, path, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// newOffer begins the golden of a new pack with a DISCOVER that has the text which the pack recognises first.
func newOffer(t *testing.T, id string) *txtar.Archive {
	t.Helper()
	f, err := os.Open(filepath.Join("../../provision/vendors", id, "testdata/recognise.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	class, mac := "", net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for _, row := range slices.Backward(rows[1:]) {
		if m, err := net.ParseMAC(row[4]); err == nil {
			mac = m
		}
		if row[0] == "option60" {
			if class, err = strconv.Unquote(`"` + row[1] + `"`); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := dhcpv4.NewDiscovery(mac, dhcpv4.WithTransactionID(dhcpv4.TransactionID{0x39, 3, 0xf3, 1}),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionDomainName, dhcpv4.OptionTFTPServerName))
	if err != nil {
		t.Fatal(err)
	}
	if class != "" {
		m.UpdateOption(dhcpv4.OptClassIdentifier(class))
	}
	return &txtar.Archive{Comment: []byte("A DISCOVER made from what the pack recognises (testdata/recognise.csv there).\n"),
		Files: []txtar.File{{Name: "discover.hex", Data: []byte(dump(m.ToBytes()))}}}
}

// offerFor is what the daemon would do about a DISCOVER, without its sockets.
func offerFor(t *testing.T, packs *pack.Set, discover []byte) ([]byte, dhcp.Event) {
	t.Helper()
	cfg := dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{{
		Prefix: netip.MustParsePrefix("10.20.0.0/22"), Interface: "voice0", Phones: dhcp.PhonesProvision, VoiceVLAN: 20,
		Pools:   []dhcp.Range{{First: netip.MustParseAddr("10.20.1.10"), Last: netip.MustParseAddr("10.20.1.40")}},
		Routers: []netip.Addr{netip.MustParseAddr("10.20.0.1")}, DNSServers: []netip.Addr{netip.MustParseAddr("10.20.0.1")},
		DomainName: "voice.example.net", LeaseTime: 8 * 24 * time.Hour,
	}}}
	site := &fleet.Site{Trust: []trust.Proof{"lease"}, UnknownPhones: fleet.UnknownList,
		Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: cfg.Subnets[0].Prefix, Phones: dhcp.PhonesProvision, NextServer: netip.MustParseAddr("10.20.0.2")}}}}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s, err := provision.New(provision.Config{Records: &provisiontest.Records{}, Packs: func() *pack.Set { return packs },
		Site: func() *fleet.Site { return site }, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(cfg, nil, s)
	if err != nil {
		t.Fatal(err)
	}
	req, err := wire.Decode(discover)
	if err != nil {
		t.Fatal(err)
	}
	view := leasetable.NewLeases(cfg)
	view.Advance(noon)
	link := &dhcp.Link{Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/22")}, Dest: netip.MustParseAddr("255.255.255.255"), MTU: 1500}
	d := e.Decide(noon, req, link, e.Classify(req, link), view)
	if d.Reply == nil || d.Reply.Type != dhcp.MessageTypeOffer {
		t.Fatalf("%s: %s", d.Event.Verdict, d.Event.Reason)
	}
	b, dropped := wire.Encode(d.Reply, nil, 1500)
	if most := max(576, req.MaxSize) - 28; len(dropped) > 0 || len(b) > most {
		t.Errorf("%d bytes, options %v dropped: it does not fit the %d that the client takes", len(b), dropped, most)
	}
	return b, d.Event
}

// dump writes bytes as lines of sixteen.
func dump(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(16, len(b))
		fmt.Fprintf(&out, "% x\n", b[:n])
		b = b[n:]
	}
	return out.String()
}

// optionsOf lists the options of a packet in the order of their codes, as insomniacslk/dhcp reads them.
func optionsOf(t *testing.T, packet []byte) string {
	t.Helper()
	m, err := dhcpv4.FromBytes(packet)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "siaddr %s\n", m.ServerIPAddr)
	for code := range 255 {
		data, ok := m.Options[uint8(code)]
		switch {
		case !ok:
		case len(data) > 1 && !bytes.ContainsFunc(data, func(r rune) bool { return r < ' ' || r > '~' }):
			fmt.Fprintf(&out, "%d %q\n", code, data)
		default:
			fmt.Fprintf(&out, "%d % x\n", code, data)
		}
	}
	return out.String()
}
