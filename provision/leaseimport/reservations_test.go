package leaseimport_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"plugtone/provision/leaseimport"
)

// files is an Include that has files in memory; a name with a slash at its end is all files below it.
func files(m map[string]string) leaseimport.Include {
	return func(_, name string) (map[string]string, error) {
		out := map[string]string{}
		for file, text := range m {
			if file == name || strings.HasSuffix(name, "/") && strings.HasPrefix(file, name) {
				out[file] = text
			}
		}
		if len(out) == 0 {
			return nil, errors.New(name + ": no such file")
		}
		return out, nil
	}
}

func showReservations(f leaseimport.File) string {
	var b strings.Builder
	for _, r := range f.Reservations {
		fmt.Fprintf(&b, "%s %s %v %s\n", r.IP, r.MAC, r.OtherMACs, r.Hostname)
	}
	for _, text := range f.LeftOut {
		fmt.Fprintf(&b, "- %s\n", text)
	}
	return b.String()
}

// TestReservationsAreRead reads what dhcpd.conf(5), the Kea ARM and dnsmasq(8) allow.
func TestReservationsAreRead(t *testing.T) {
	include := files(map[string]string{
		"/etc/a.conf":  "host a { hardware ethernet 00:15:65:00:00:0a; fixed-address 10.20.0.10; }\n\nhost b { fixed-address 10.20.0.11; }",
		"/etc/d/2":     "00:15:65:00:00:0c,10.20.0.12,c",
		"/etc/d/1":     "# hosts\n00:15:65:00:00:0b,10.20.0.11,b,1h",
		"/etc/kea.inc": `[ { "hw-address": "00:15:65:00:00:0a", "ip-address": "10.20.0.10", } ] // kept`,
	})
	for _, c := range []struct{ name, format, text, want string }{
		{"nested hosts", "isc", `option host-name "x"; subnet 10.20.0.0 netmask 255.255.255.0 { pool { group {
			host one { hardware ethernet 0:15:65:0:0:1; fixed-address 10.20.0.1, 10.21.0.1; option host-name "first"; } } } }
			host two { hardware ethernet 00:15:65:00:00:02; }
			host three { hardware ethernet 00:15:65:00:00:03; fixed-address phone3.example.net; }
			if known { host four { hardware ethernet 00:15:65:00:00:04; fixed-address 10.20.0.4; on commit { set x = "host y {"; } } }`,
			"10.20.0.1 00:15:65:00:00:01 [] first\n10.21.0.1 00:15:65:00:00:01 [] first\n10.20.0.4 00:15:65:00:00:04 [] four\n" +
				"- line 3: host two: it has no IPv4 address\n- line 4: host three: \"phone3.example.net\" is not an IPv4 address\n"},
		{"include", "isc", `include "/etc/a.conf";`, "10.20.0.10 00:15:65:00:00:0a [] a\n- /etc/a.conf, line 3: host b: it has no MAC address\n"},
		{"hosts of dhcpd.leases", "isc", `host a { dynamic; hardware ethernet 00:15:65:00:00:01; fixed-address 10.20.0.1; }
			host b { dynamic; hardware ethernet 00:15:65:00:00:02; fixed-address 10.20.0.2; }
			host b { dynamic; hardware ethernet 00:15:65:00:00:02; fixed-address 10.20.0.3; }
			host a { dynamic; deleted; }`, "10.20.0.3 00:15:65:00:00:02 [] b\n"},
		{"kea", "kea", `# comment
			{ "Dhcp4": { "reservations-global": true, "reservations": [ { "hw-address": "00:15:65:00:00:01", "ip-address": "10.20.0.1", "hostname": "a // \" b" } /* , */, ],
			"shared-networks": [ { "subnet4": [ { "reservations": [ { "hw-address": "00:15:65:00:00:02", "ip-address": "10.20.0.2" }, { "duid": "01:02", "ip-address": "10.20.0.3" } ] } ] } ] } }`,
			"10.20.0.1 00:15:65:00:00:01 [] a // \" b\n10.20.0.2 00:15:65:00:00:02 [] \n- Dhcp4.shared-networks[0].subnet4[0].reservations[1]: it has no MAC address\n"},
		{"kea, answer to config-get", "kea", `[ { "arguments": { "Dhcp4": { "subnet4": [ { "reservations": <?include "/etc/kea.inc"?> } ] } }, "result": 0 } ]`, "10.20.0.10 00:15:65:00:00:0a [] \n"},
		{"dnsmasq", "dnsmasq", "no-resolv\ndhcp-range=10.20.0.100,10.20.0.199\ndhcp-host = 0:15:65:0:0:1, 10.20.0.1 , phone-1, 12h # first\n" +
			"dhcp-host=00:15:65:00:00:02,00:15:65:00:00:03,id:*,set:a,10.20.0.2,infinite\ndhcp-host=00:15:65:00:00:04,ignore\ndhcp-host=00:15:65:*:*:*,10.20.0.5\n" +
			"dhcp-host=phone6,10.20.0.6\ndhcp-host=00:15:65:00:00:07,[fd00::7],phone-7\ndhcp-hostsdir=/etc/d/\n",
			"10.20.0.1 00:15:65:00:00:01 [] phone-1\n10.20.0.2 00:15:65:00:00:02 [00:15:65:00:00:03] \n10.20.0.11 00:15:65:00:00:0b [] b\n10.20.0.12 00:15:65:00:00:0c [] c\n" +
				"- line 5: dhcp-host 00:15:65:00:00:04,ignore: the client is to be ignored\n- line 6: dhcp-host 00:15:65:*:*:*,10.20.0.5: \"00:15:65:*:*:*\" matches several clients\n" +
				"- line 7: dhcp-host phone6,10.20.0.6: it has no MAC address\n- line 8: dhcp-host 00:15:65:00:00:07,[fd00::7],phone-7: it has no IPv4 address\n"},
		{"hosts of dnsmasq", "dnsmasq", "00:15:65:00:00:01,10.20.0.1\n", "10.20.0.1 00:15:65:00:00:01 [] \n"},
	} {
		f, err := leaseimport.Parse(c.format, c.text, include)
		if got := showReservations(f); err != nil || got != c.want || len(f.Leases) > 0 {
			t.Errorf("%s: %v\n%swant\n%s", c.name, err, got, c.want)
		}
	}
}

func TestFaultsOfConfigurationsNameTheirPlace(t *testing.T) {
	include := files(map[string]string{"loop": `include "loop";`, "bad": "\nhost a { hardware ethernet x; }"})
	for _, c := range []struct{ format, text, want string }{
		{"isc", "\n" + `include "/nowhere";`, `line 2: the file that is included here can't be read: /nowhere: no such file; copy it too, or remove the line`},
		{"isc", `include "bad";`, `bad, line 2: host a: hardware MAC address "x"`},
		{"isc", `include "loop";`, `loop, line 1: "loop" is not read: files are included 10 deep at most`},
		{"kea", "{\n \"Dhcp4\": { \"x\" 1 } }", "line 2: the configuration can't be read: invalid character '1'"},
		{"kea", "{\n\n \"Dhcp4\": {", "line 3: the configuration can't be read: unexpected EOF"},
		{"kea", `{"Dhcp6": {}}`, "the configuration has no Dhcp4"},
		{"kea", `{"Dhcp4": {"reservations": [{"hw-address": "x", "ip-address": "10.0.0.1"}]}}`, `Dhcp4.reservations[0]: hw-address: MAC address "x"`},
	} {
		f, err := leaseimport.Parse(c.format, c.text, include)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(f.Reservations) > 0 {
			t.Errorf("%s %q: %v, want %s", c.format, c.text, err, c.want)
		}
	}
}
