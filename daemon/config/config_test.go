package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbxroute"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

var update = flag.Bool("update", false, "rewrite goldens")

// golden runs f over each NAME.yaml of a txtar file and compares with its NAME.want.
func golden(t *testing.T, path string, f func(name string, data []byte) string) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	var out txtar.Archive
	out.Comment = a.Comment
	for _, x := range a.Files {
		if name, ok := strings.CutSuffix(x.Name, ".want"); ok {
			want[name] = string(x.Data)
		}
	}
	for _, x := range a.Files {
		name, ok := strings.CutSuffix(x.Name, ".yaml")
		if !ok {
			continue
		}
		got := f(x.Name, x.Data)
		out.Files = append(out.Files, x, txtar.File{Name: name + ".want", Data: []byte(got)})
		if diff := cmp.Diff(want[name], got); diff != "" && !*update {
			t.Errorf("%s: %s (-want +got)", x.Name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(&out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryProblemOfAFileIsReported(t *testing.T) {
	golden(t, "testdata/problems.txtar", func(name string, data []byte) string {
		c, _, err := Parse(name, data)
		if err == nil || c != nil {
			t.Errorf("%s: got a configuration and error %v, want problems alone", name, err)
			return ""
		}
		var all Problems
		if !errors.As(err, &all) {
			t.Errorf("%s: error is %T, want Problems", name, err)
		}
		return err.Error() + "\n"
	})
}

func TestWarningsOfAFileAreReported(t *testing.T) {
	golden(t, "testdata/warnings.txtar", func(name string, data []byte) string {
		_, warnings, err := Parse(name, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var b strings.Builder
		for _, w := range warnings {
			b.WriteString(w.String() + "\n")
		}
		return b.String()
	})
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "\n# nothing\n", "---\n", "{}\n", "dhcp:\n"} {
		c, _, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want := Default()
		want.Path = "x.yaml"
		if diff := cmp.Diff(want, c, compare); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

var compare = cmp.Options{cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{}, dhcp.Range{}, AdminAddr{})}

// TestTheExampleWithEveryKeyIsRead holds the whole example of the manual: every key with a value that differs from its default
// where it can.
func TestTheExampleWithEveryKeyIsRead(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"cert", "key", "ca"} {
		if err := os.WriteFile(dir+"/"+f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Parse("x.yaml", bytes.ReplaceAll(text, []byte("DIR"), []byte(dir)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contractExample(dir), got, compare); diff != "" {
		t.Errorf("(-want +got) %s", diff)
	}
	p := got.ProblemAt("provisioning.experimental_packs[0]", "no pack")
	if want := `x.yaml:40:24: provisioning.experimental_packs[0]: "avaya": no pack`; p.Error() != want {
		t.Errorf("got %s, want %s", p.Error(), want)
	}
}

// contractExample is testdata/contract.yaml as a value. dir replaces DIR.
func contractExample(dir string) *Config {
	ip, port := netip.MustParseAddr, netip.MustParseAddrPort
	return &Config{
		Path: "x.yaml", DataDir: "/srv/plugtone",
		DHCP: DHCP{Mode: "inform", Subnets: []fleet.Subnet{{Trust: []trust.Proof{trust.ProofNeighbor}, PinPort: true,
			Settings: setting.Values{"time_zone": "Europe/Berlin", "admin_password": setting.Secret("4711")}, Subnet: dhcp.Subnet{
				Prefix: netip.MustParsePrefix("10.20.0.0/22"), Interface: "voice0", Phones: "move",
				Pools:   []dhcp.Range{{First: ip("10.20.1.0"), Last: ip("10.20.3.250")}, {First: ip("10.20.0.77"), Last: ip("10.20.0.77")}},
				Exclude: []dhcp.Range{{First: ip("10.20.2.1"), Last: ip("10.20.2.1")}, {First: ip("10.20.2.8"), Last: ip("10.20.2.9")}},
				Relays:  []netip.Addr{ip("10.20.0.3"), ip("192.0.2.1")}, Routers: []netip.Addr{ip("10.20.0.1")},
				DNSServers: []netip.Addr{ip("10.20.0.1"), ip("9.9.9.9")}, NTPServers: []netip.Addr{ip("10.20.0.1")},
				DomainName: "voice.example.net", LeaseTime: 48 * time.Hour, OtherLeaseTime: 30 * time.Minute, VoiceVLAN: 20,
				TrustOption82: true, Shared: true, NextServer: ip("10.20.0.2"), ProvisioningURL: "http://prov.example.net/",
				Options: []dhcp.Option{{Code: 42, Data: []byte{10, 20, 0, 1}}, {Code: 150, Data: []byte{10, 20, 0, 2}}},
			}}, {Settings: setting.Values{}, Subnet: dhcp.Subnet{
			Prefix: netip.MustParsePrefix("10.30.0.0/24"), Phones: "provision", LeaseTime: 5 * time.Minute, OtherLeaseTime: 5 * time.Minute,
		}}}},
		Provisioning: Provisioning{
			Trust:     []trust.Proof{trust.ProofCertificate},
			Networks:  []fleet.Network{{From: netip.MustParsePrefix("192.0.2.0/24"), Trust: []trust.Proof{"credentials"}}, {From: netip.MustParsePrefix("0.0.0.0/0"), Trust: []trust.Proof{}}},
			NewPhones: NewPhones{7, 0}, StepUp: "always", Resets: Resets{0, 9}, Upstream: Upstream{5 * time.Second, 2 << 20, dir + "/ca"}, UnknownPhones: "hold", TimeZone: "America/New_York", ExternalURL: "https://prov.example.net/p/",
			VendorDirs: []string{dir}, ExperimentalPacks: []string{"avaya"}, Settings: setting.Values{"ntp_servers": []string{"pool.ntp.org"}},
		},
		Registrars: []pbxroute.Config{
			{Registrar: "main", Notify: "ami", Address: "pbx.example.com:5038", User: "plugtone", PasswordFile: dir + "/pass", Poll: time.Minute},
			{Registrar: "branch", Notify: "direct", PollBy: "esl", Address: "10.20.0.9:8021", PasswordFile: "/etc/esl.pass", Profile: "external", Poll: 30 * time.Second},
			{Registrar: "third", Notify: "direct", PollBy: "kamailio", Address: "mysql://reader@10.20.0.10/kamailio", Poll: 30 * time.Second},
		},
		TFTP: Listener{false, []netip.AddrPort{port("10.20.0.2:69")}},
		HTTP: Listener{false, []netip.AddrPort{port("0.0.0.0:80"), port("0.0.0.0:6970")}},
		HTTPS: HTTPS{true, []netip.AddrPort{port("0.0.0.0:8443")}, dir + "/cert", dir + "/key",
			map[string]string{"yealink": dir + "/ca"}},
		Admin:    Admin{[]AdminAddr{{Unix: "/tmp/a.sock"}, {TCP: port("10.20.0.2:8067")}}, []string{"phones.example.net"}, dir + "/cert", dir + "/key"},
		Syslog:   Listener{true, []netip.AddrPort{port("10.20.0.2:1514")}},
		Timeline: Timeline{1 << 30, 50, 7},
		History:  History{30 * 24 * time.Hour, 500},
		Cluster: Cluster{"voice-a", Etcd{[]string{"https://10.0.0.1:2379", "https://10.0.0.2:2379"},
			dir + "/ca", dir + "/cert", dir + "/key", "plugtone", dir + "/key", "/voice/"}, dir + "/cluster.key", port("10.20.0.2:8068"), "voice-a.example.net:8068", "shared"},
		Metrics: Metrics{[]netip.AddrPort{port("0.0.0.0:9100")}},
		Log:     Log{"debug", "json"},
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	_, _, err := Parse("x", []byte("provisioning: {settings: {admin_password: \""+strings.Repeat("geheim", 99)+"\"}}"))
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("got %v, want a problem without the password", err)
	}
}

func TestSubnetsOfAnInterfacesAddresses(t *testing.T) {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	s, err := forAddresses("voice0", []netip.Prefix{p("10.20.0.2/22"), p("10.20.1.1/22"), p("192.0.2.1/24")}, []netip.Addr{a("192.168.1.1"), a("10.20.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	want := defaultSubnet()
	want.Prefix, want.Interface, want.NextServer, want.OtherLeaseTime = p("10.20.0.0/22"), "voice0", a("10.20.0.2"), time.Hour
	want.Routers = []netip.Addr{a("10.20.0.1")}
	want.Pools = []dhcp.Range{{First: a("10.20.0.1"), Last: a("10.20.3.254")}}
	for _, x := range []string{"10.20.0.2", "10.20.1.1", "10.20.0.1"} {
		want.Exclude = append(want.Exclude, dhcp.Range{First: a(x), Last: a(x)})
	}
	if diff := cmp.Diff(want, s, compare); diff != "" {
		t.Error(diff)
	}
	for _, own := range [][]netip.Prefix{nil, {p("10.0.0.1/8")}, {p("10.0.0.1/32")}} {
		if _, err := forAddresses("voice0", own, nil); err == nil || !strings.Contains(err.Error(), "voice0") {
			t.Errorf("%v: got error %v, want one that names voice0", own, err)
		}
	}
}

func TestNonUTF8FileAndFileAsDataDirAreProblems(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"# ä\n# caf\xe9\ndata_dir: /x\n": "x.yaml:2:6: not UTF-8 text",
		"\ndata_dir: " + file + "\n":     "x.yaml:2:11: data_dir: ",
	} {
		if _, _, err := Parse("x.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestNameserversOfThisHostAreLeftOut(t *testing.T) {
	got := nameservers("# 1.1.1.1\nsearch example.com\nnameserver 127.0.0.53\nnameserver 10.0.0.53\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nnameserver\nnameserver 9.9.9.9 # x\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n")
	if fmt.Sprint(got) != "[10.0.0.53 9.9.9.9 8.8.8.8]" {
		t.Errorf("%v", got)
	}
}

func TestInterfaceWithoutASubnetIsAnError(t *testing.T) {
	for _, name := range []string{"nosuchif0", "a/b", "lo"} { // lo is a /8
		if _, err := ForInterface(name); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestHostsOfAPrefix(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.0.0.0/24": "10.0.0.1-10.0.0.254", "10.0.0.4/30": "10.0.0.5-10.0.0.6", "10.0.0.4/31": "10.0.0.4-10.0.0.5",
		"10.0.0.4/32": "10.0.0.4-10.0.0.4", "0.0.0.0/0": "0.0.0.1-255.255.255.254",
	} {
		first, last := Hosts(netip.MustParsePrefix(prefix))
		if got := first.String() + "-" + last.String(); got != want {
			t.Errorf("%s: got %s, want %s", prefix, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	a, err := txtar.ParseFile("testdata/problems.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, x := range a.Files {
		f.Add(x.Data)
	}
	f.Add([]byte("a: &a [*a]\ndhcp: &d {subnets: [*d, *d]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := Parse("f", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v and error %v", c, err)
		}
		var problems Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("error is %T: %v", err, err)
		}
		for _, x := range problems {
			if x.Allowed == "" || x.Line < 0 || len(x.Error()) > 3000 && len(data) < 1000 {
				t.Fatalf("problem %+v", x)
			}
		}
	})
}
