package leaseimport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"plugtone/provision/leaseimport"
)

// The samples follow dhcpd.leases(5), the Kea ARM (memfile) and dnsmasq(8).
const (
	isc = `# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\000\001\000\001,\"x";

lease 10.20.1.7 {
  starts 0 2026/11/22 10:00:00;
  ends 0 2026/11/22 11:00:00;
  binding state free;
  hardware ethernet 00:15:65:00:00:01;
}
lease 10.20.1.8 {
  starts epoch 1795341600; # Sun Nov 22 10:00:00 2026
  ends never;
  cltt epoch 1795341600;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet 00:15:65:00:00:02;
  uid "\001\000\025e\000\000\002";
  set vendor-class = "x { y }";
  client-hostname "SEP\"8}";
  on expiry { set a = "b"; }
}
lease 10.20.1.9 {
  ends 0 2026/11/22 11:00:00;
  binding state abandoned;
}
lease 10.20.1.10 {
  ends never;
  binding state active;
  hardware token-ring 00:15:65:00:00:09;
}
ia-na "abc" { iaaddr 2001:db8::1 { binding state active; } }
lease 10.20.1.7 {
  starts 0 2026/11/22 12:00:00;
  ends 0 2026/11/22 13:00:00;
  binding state active;
  hardware ethernet 00:15:65:00:00:03;
}
`
	kea = `address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
10.20.1.7,00:15:65:00:00:01,01:00:15:65:00:00:01,3600,1795345200,1,0,0,a&#x2cb,0,{ "a": 1&#x2c "b": 2 },0
10.20.1.8,00:15:65:00:00:02,,4294967295,6090308895,1,0,0,,0,,0
10.20.1.9,,,3600,1795345200,1,0,0,,1,,0
10.20.1.10,,01:02,3600,1795345200,1,0,0,,0,,0
10.20.1.7,00:15:65:00:00:01,01:00:15:65:00:00:01,0,1795345200,1,0,0,a,0,,0
`
	dnsmasq = `1795345200 00:15:65:00:00:01 10.20.1.7 phone-7 01:00:15:65:00:00:01
0 00:15:65:00:00:02 10.20.1.8 * *
1795345200 06-00:15:65:00:00:03 10.20.1.9 * *
duid 00:01:00:01:2c
1795345200 12345 2001:db8::1 phone 00:01
`
)

func show(f leaseimport.File) string {
	var b strings.Builder
	for _, l := range f.Leases {
		at := func(t time.Time) string {
			if t.IsZero() {
				return "-"
			}
			return t.UTC().Format("15:04")
		}
		fmt.Fprintf(&b, "%s %s %s %s %q %s %t\n", l.IP, l.MAC, at(l.Starts), at(l.Expires), l.Hostname, l.ClientID, l.Ended)
	}
	return fmt.Sprintf("%s%d skipped\n", b.String(), f.Skipped)
}

func TestParseReadsLeaseFiles(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"isc", isc, `10.20.1.7 00:15:65:00:00:03 12:00 13:00 ""  false
10.20.1.8 00:15:65:00:00:02 10:00 - "SEP\"8}" 01001565000002 false
10.20.1.9 00:00:00:00:00:00 - 11:00 ""  true
2 skipped
`},
		{"kea", kea, `10.20.1.7 00:15:65:00:00:01 11:00 11:00 "a" 01001565000001 true
10.20.1.8 00:15:65:00:00:02 - - ""  false
10.20.1.9 00:00:00:00:00:00 10:00 11:00 ""  true
1 skipped
`},
		{"dnsmasq", dnsmasq, `10.20.1.7 00:15:65:00:00:01 - 11:00 "phone-7" 01001565000001 false
10.20.1.8 00:15:65:00:00:02 - - ""  false
2 skipped
`},
		{"isc", "", "0 skipped\n"}, {"kea", "", "0 skipped\n"}, {"dnsmasq", "\n", "0 skipped\n"},
	} {
		f, err := leaseimport.Parse(c.format, c.text, nil)
		if got := show(f); err != nil || got != c.want {
			t.Errorf("%s: %v\n%swant\n%s", c.format, err, got, c.want)
		}
	}
}

func TestFaultsNameTheLine(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"isc", "lease 10.20.1.7 {\n ends 0 2026/13/22 11:00:00;\n}", `line 2: lease 10.20.1.7: ends "0 2026/13/22 11:00:00" must be never`},
		{"isc", "lease 10.20.1.7 {\n hardware ethernet xx;\n}", `line 2: lease 10.20.1.7: hardware MAC address "xx"`},
		{"isc", "lease x {\n}", `line 1: lease "x": must be an IPv4 address`},
		{"isc", "lease 10.20.1.7 {\n hardware ethernet 00:15:65:00:00:01;\n}", `line 1: lease 10.20.1.7: ends is missing`},
		{"isc", "\nlease 10.20.1.7 {\n ends never;", `line 2: the block that begins here has no end`},
		{"isc", "a \"b", `line 1: the string that begins here has no end`},
		{"kea", "address,duid\n", `line 1: the header lacks the column hwaddr`},
		{"kea", "address,hwaddr,valid_lifetime,expire\n10.20.1.7,x,60,100\n", `line 2: hwaddr: MAC address "x"`},
		{"kea", "address,hwaddr,valid_lifetime,expire\nx,,60,100\n10.20.1.7,,x,1\n10.20.1.7,,60,-1", "line 2: address \"x\": must be an IPv4 address\nline 3: valid_lifetime \"x\": must be a number of seconds\nline 4: expire \"-1\" must be"},
		{"dnsmasq", "x", `line 1: "x" must be END MAC ADDRESS NAME CLIENT-ID`},
		{"dnsmasq", "x 00:15:65:00:00:01 10.20.1.7 * *", `line 1: end "x" must be`},
		{"dnsmasq", "1 00:15:65:00:00:01 10.20.1 * *", `line 1: address "10.20.1": must be`},
		{"dnsmasq", "1 00-15 10.20.1.1 * *\n1 x 10.20.1.1 * *", `line 2: MAC: MAC address "x"`},
		{"dnsmasq", strings.Repeat("x\n", 22), "line 20: \"x\" must be END MAC ADDRESS NAME CLIENT-ID\nand 2 more"},
		{"windows", "", `format "windows": must be one of isc, kea, dnsmasq`},
	} {
		f, err := leaseimport.Parse(c.format, c.text, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(f.Leases) > 0 {
			t.Errorf("%s %q: %v, want %s", c.format, c.text, err, c.want)
		}
	}
}

func fuzz(f *testing.F, format string, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := leaseimport.Parse(format, text, nil)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, l := range file.Leases {
			if !l.IP.Is4() || seen[l.IP.String()] || len(l.Hostname) > 63 || !l.Ended && l.MAC.IsZero() {
				t.Errorf("%+v", l)
			}
			if _, err := l.Expires.MarshalJSON(); err != nil {
				t.Error(err)
			}
			if _, err := l.Starts.MarshalJSON(); err != nil {
				t.Error(err)
			}
			seen[l.IP.String()] = true
		}
		for _, r := range file.Reservations {
			if !r.IP.Is4() || r.MAC.IsZero() || len(r.OtherMACs) > 8 || len(r.Hostname) > 63 {
				t.Errorf("%+v", r)
			}
		}
	})
}

func FuzzISC(f *testing.F) {
	fuzz(f, "isc", isc, `lease 10.0.0.1{ends never}`, `group{host a{hardware ethernet 0:1:2:3:4:5;fixed-address 10.0.0.1;}}`)
}
func FuzzKea(f *testing.F) {
	fuzz(f, "kea", kea, `{"Dhcp4":{"reservations":[{"hw-address":"00:15:65:00:00:01","ip-address":"10.0.0.1",},]}}//`, `/*<?include "a"?>`)
}
func FuzzDnsmasq(f *testing.F) {
	fuzz(f, "dnsmasq", dnsmasq, "dhcp-host=00:15:65:00:00:01,10.0.0.1,a")
}
