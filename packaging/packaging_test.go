package packaging

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"

	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/fleet"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var compare = cmp.Options{
	cmpopts.IgnoreUnexported(config.Config{}), cmpopts.IgnoreFields(config.Config{}, "Path"), cmpopts.EquateEmpty(),
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{}, dhcp.Range{}, config.AdminAddr{}),
}

func TestDefaultConfigurationIsTheDefault(t *testing.T) {
	got, _, err := config.Load("plugtone.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), got, compare); diff != "" {
		t.Errorf("plugtone.yaml and the defaults differ (-default +file): %s", diff)
	}
	for path := range keys(t, read(t, "plugtone.yaml")) {
		if !got.Written(path) {
			t.Errorf("%s is not seen as written", path)
		}
	}
}

// TestDefaultConfigurationIsComplete writes every key there is, as the errors name them, and looks for it in the file.
func TestDefaultConfigurationIsComplete(t *testing.T) {
	text := read(t, "plugtone.yaml")
	for _, typ := range []any{config.Config{}, config.DHCP{}, config.Provisioning{}, config.HTTPS{}, config.Listener{}, config.Admin{},
		config.Metrics{}, config.Timeline{}, config.Log{}, config.Resets{}, fleet.Subnet{}, config.NewPhones{}, fleet.Network{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(typ)) {
			name, special := map[string]string{"Path": "data_dir", "Prefix": "subnet"}[f.Name]
			if !special {
				name = snake(f.Name)
			}
			if f.IsExported() && !f.Anonymous && !regexp.MustCompile(`(?m)^[ #{-]*`+name+`:|[{,] ?`+name+`:`).MatchString(text) {
				t.Errorf("%s.%s: plugtone.yaml has no key %s", reflect.TypeOf(typ).Name(), f.Name, name)
			}
		}
	}
}

// snake turns TLSCertFile into tls_cert_file.
func snake(s string) string {
	s = strings.NewReplacer("DHCP", "Dhcp", "TFTP", "Tftp", "HTTPS", "Https", "HTTP", "Http", "TLS", "Tls", "PnP", "Pnp", "PBX", "Pbx", "DNS", "Dns", "NTP", "Ntp",
		"VLAN", "Vlan", "URL", "Url", "CAFiles", "CaFiles", "Option82", "option82").Replace(s)
	s = strings.ReplaceAll(s, "Trustoption82", "TrustOption82")
	out := regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(s, func(u string) string { return "_" + strings.ToLower(u) })
	return strings.TrimPrefix(out, "_")
}

// keys are all paths of the file that have a value.
func keys(t *testing.T, text string) map[string]bool {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	var walk func(path string, m map[string]any)
	walk = func(path string, m map[string]any) {
		for k, v := range m {
			at := strings.TrimPrefix(path+"."+k, ".")
			if out[at] = true; v == nil {
				t.Errorf("%s has no value", at)
			}
			if sub, ok := v.(map[string]any); ok {
				walk(at, sub)
			}
		}
	}
	walk("", tree)
	return out
}

// TestCommentedPartsAreValid uncomments the example subnet and network and has them checked.
func TestCommentedPartsAreValid(t *testing.T) {
	text := read(t, "plugtone.yaml")
	text = strings.NewReplacer("  subnets: []\n", "", "  networks: []                       # requesters", "  # requesters").Replace(text)
	text = regexp.MustCompile(`(?m)^  # (subnets:|networks:|  )`).ReplaceAllString(text, "  $1")
	c, _, err := config.Parse("plugtone.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.DHCP.Subnets) != 1 || len(c.Provisioning.Networks) != 1 {
		t.Fatalf("got %d subnets and %d networks, want 1 of each", len(c.DHCP.Subnets), len(c.Provisioning.Networks))
	}
	if s := c.DHCP.Subnets[0]; s.Interface != "voice0" || len(s.Options) != 1 || s.Settings["time_zone"] != "Europe/Berlin" {
		t.Errorf("got subnet %+v", s)
	}
}

// systemdAnalyze runs systemd-analyze over the unit, with a program that exists in the place of plugtone.
func systemdAnalyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	analyze := program(t, "systemd-analyze", "systemd")
	path := filepath.Join(t.TempDir(), "plugtone.service")
	unit := strings.ReplaceAll(read(t, "plugtone.service"), "/usr/bin/plugtone", "/bin/true")
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, append(args, path)...).CombinedOutput()
	return string(out), err
}

// program returns the path of a program that a Debian package has, or skips the test.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	netlab.RequirePrograms(t, name+"="+debian)
	return ""
}

func TestUnitVerifies(t *testing.T) {
	out, err := systemdAnalyze(t, "verify", "--man=no")
	if err != nil || strings.Contains(out, "plugtone.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func TestUnitIsExposedLittle(t *testing.T) {
	out, err := systemdAnalyze(t, "security", "--offline=true", "--no-pager")
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 1.5 {
		t.Errorf("the unit's exposure is %s, want at most 1.5\n%s", m[1], out)
	}
}

// TestUnitAgreesWithTheProgram holds paths, privileges and limits to the manual.
func TestUnitAgreesWithTheProgram(t *testing.T) {
	unit := read(t, "plugtone.service")
	caps := "CAP_NET_BIND_SERVICE CAP_NET_RAW"
	for _, line := range []string{
		"Type=notify", "ExecStart=/usr/bin/plugtone serve --config /etc/plugtone/plugtone.yaml $PLUGTONE_OPTIONS", "EnvironmentFile=-/etc/default/plugtone", "ExecReload=/bin/kill -HUP $MAINPID", "User=plugtone", "Group=plugtone",
		"AmbientCapabilities=" + caps, "CapabilityBoundingSet=" + caps, "RuntimeDirectory=plugtone", "StateDirectory=plugtone",
		"LimitNOFILE=65536", "LimitCORE=0", "NoNewPrivileges=yes", "UMask=0077", "ProtectProc=invisible", "ProcSubset=pid", "PrivateMounts=yes",
		"DevicePolicy=closed", "MemoryMax=1G", "TasksMax=512", "Environment=GOGC=200 GOMEMLIMIT=144MiB",
		"ExecStartPre=+systemd-tmpfiles --create plugtone.conf",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("plugtone.service lacks the line %s", line)
		}
	}
	if !regexp.MustCompile(`(?m)^WatchdogSec=\d+s$`).MatchString(unit) {
		t.Error("plugtone.service has no WatchdogSec")
	}
	c := config.Default()
	if got := c.Admin.Listen[0].Unix; got != "/run/plugtone/admin.sock" || c.DataDir != "/var/lib/plugtone" {
		t.Errorf("socket %s and data %s do not lie in the unit's directories", got, c.DataDir)
	}
	for _, dir := range []string{"/run/plugtone", c.DataDir, config.DefaultVendorDir, filepath.Dir(config.DefaultPath)} {
		if !regexp.MustCompile(`(?m)^d ` + dir + `\s`).MatchString(read(t, "tmpfiles.conf")) {
			t.Errorf("tmpfiles.conf does not make %s", dir)
		}
	}
	if !strings.Contains(read(t, "sysusers.conf"), "\nu plugtone ") {
		t.Error("sysusers.conf has no user plugtone")
	}
}
