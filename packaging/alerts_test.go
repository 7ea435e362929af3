package packaging

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"plugtone/dhcp"
	"plugtone/httpprov"
	"plugtone/provision"
	"plugtone/provision/notify"
	"plugtone/provision/trust"
)

const (
	alertsFile    = "prometheus/alerts.yaml"
	alertTests    = "prometheus/alerts_test.yaml"
	dashboardFile = "grafana/plugtone.json"
)

// rule is an alert or a recording rule.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal([]byte(read(t, alertsFile)), &file); err != nil {
		t.Fatal(err)
	}
	var out []rule
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	if len(out) < 20 {
		t.Fatalf("only %d rules found", len(out))
	}
	return out
}

// dashboardExpressions are the expressions of the dashboard's panels, by panel.
func dashboardExpressions(t *testing.T) map[string][]string {
	t.Helper()
	var file struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &file); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, p := range file.Panels {
		if p.Type != "row" && len(p.Targets) == 0 || out[p.Title] != nil {
			t.Errorf("panel %q has no query, or is there twice", p.Title)
		}
		for _, target := range p.Targets {
			out[p.Title] = append(out[p.Title], target.Expr)
		}
	}
	if len(out) < 15 {
		t.Fatalf("only %d panels found", len(out))
	}
	return out
}

// metricLabels are the labels of every metric of the daemon. Those of PBXs and certificates are there only with one.
func metricLabels(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{"plugtone_pbx_sync_total": {"source", "outcome"}, "plugtone_pbx_sync_age_seconds": {"source"},
		"plugtone_upstream_requests_total": {"upstream", "outcome"}, "plugtone_upstream_up": {"upstream"}, "plugtone_certificate_expiry_timestamp_seconds": {"certificate"}}
	for line := range strings.Lines(read(t, "../daemon/testdata/metrics.txt")) {
		m := regexp.MustCompile(`^(\w+)\{([a-z_,]*)\} (\w+)\n$`).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("metrics.txt: %q is no metric", line)
		}
		name, labels := m[1], strings.Split(m[2], ",")
		if m[3] == "histogram" {
			name, labels = name+"_bucket", append(labels, "le")
		}
		out[name] = labels
	}
	return out
}

// words returns the values of a list as strings.
func words[S ~string](list ...S) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// labelValues are all values of the labels that expressions select by.
var labelValues = map[string][]string{
	"plugtone_dhcp_verdicts_total.verdict":             words(dhcp.Verdicts()...),
	"plugtone_dhcp_reply_seconds_bucket.type":          {"discover", "request"},
	"plugtone_dhcp_reply_unprobed_seconds_bucket.type": {"discover", "request"},
	"plugtone_files_total.outcome":                     words(provision.Refused, provision.InternalError),
	"plugtone_resync_total.outcome":                    words(notify.Outcomes()...),
	"plugtone_security_events_total.event":             words(trust.EventKinds()...),
	"plugtone_tls_handshake_failures_total.reason":     words(httpprov.HandshakeReasons()...),
	"plugtone:dhcp_reply_seconds:p99_5m.type":          {"discover", "request"},
	"plugtone:dhcp_reply_unprobed_seconds:p99_5m.type": {"discover", "request"},
	"plugtone_cluster_members.alive":                   {"true", "false"},
	"plugtone_cluster_leases_total.outcome":            {"bound", "conflict", "failed"},
}

// checkExpression reports metrics, labels and label values of an expression that do not exist.
func checkExpression(t *testing.T, where, expr string, metrics map[string][]string) {
	t.Helper()
	found := regexp.MustCompile(`(plugtone[a-z0-9_:]+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(regexp.MustCompile(`job="plugtone"`).ReplaceAllString(expr, ""), -1)
	for _, m := range found {
		labels, ok := metrics[m[1]]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, m[1])
		}
		for _, sel := range regexp.MustCompile(`(\w+)=~?"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			if sel[1] == "instance" {
				continue
			}
			if !slices.Contains(labels, sel[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], sel[1])
			}
			for _, value := range strings.Split(sel[2], "|") {
				if !slices.Contains(labelValues[m[1]+"."+sel[1]], value) {
					t.Errorf("%s: %s has no %s %q", where, m[1], sel[1], value)
				}
			}
		}
	}
	if len(found) == 0 && !strings.Contains(expr, "up{") {
		t.Errorf("%s: no metric in %s", where, expr)
	}
}

func TestAlertsAndDashboardNameMetricsThatExist(t *testing.T) {
	metrics := metricLabels(t)
	for _, r := range rules(t) {
		if r.Record != "" {
			metrics[r.Record] = []string{"subnet", "type", "file"}
		}
	}
	for _, r := range rules(t) {
		checkExpression(t, r.Alert+r.Record, r.Expr, metrics)
	}
	for panel, exprs := range dashboardExpressions(t) {
		for _, expr := range exprs {
			checkExpression(t, panel, expr, metrics)
		}
	}
}

// Every metric of the daemon is in the dashboard, so that none is missing.
func TestDashboardShowsEveryMetric(t *testing.T) {
	var all []string
	for _, exprs := range dashboardExpressions(t) {
		all = append(all, exprs...)
	}
	text := strings.Join(all, "\n")
	for name := range metricLabels(t) {
		if name != "plugtone_config_reload_success_timestamp_seconds" && !regexp.MustCompile(name+`\b`).MatchString(text) {
			t.Errorf("no panel has %s", name)
		}
	}
}

// Each alert has a summary, what to do, a document that exists, and a unit test in which it fires.
func TestEveryAlertIsExplainedAndTested(t *testing.T) {
	var tests struct {
		Tests []struct {
			Alerts []struct {
				Name string `yaml:"alertname"`
				Exp  []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, alertTests)), &tests); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, c := range tests.Tests {
		for _, a := range c.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Exp) > 0
			quiet[a.Name] = quiet[a.Name] || len(a.Exp) == 0
		}
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s has no unit test in which it fires, or none in which it does not", r.Alert)
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has severity %q", r.Alert, s)
		}
		if !strings.Contains(read(t, "../docs/operations.md"), "`"+r.Alert+"`") {
			t.Errorf("docs/operations.md does not list %s", r.Alert)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", r.Alert)
		}
		checkRunbook(t, r)
	}
}

// checkRunbook reports an alert whose runbook is no document, or no heading of one.
func checkRunbook(t *testing.T, r rule) {
	t.Helper()
	file, heading, _ := strings.Cut(r.Annotations["runbook"], "#")
	if !strings.HasPrefix(file, "docs/") {
		t.Errorf("%s has the runbook %q, want a document", r.Alert, file)
		return
	}
	text := read(t, filepath.Join("..", file))
	for line := range strings.Lines(text) {
		name := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		name = strings.ReplaceAll(regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, ""), " ", "-")
		if heading == "" || strings.HasPrefix(line, "#") && name == heading {
			return
		}
	}
	t.Errorf("%s: %s has no heading %q", r.Alert, file, heading)
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(program(t, "promtool", "prometheus"), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolAcceptsTheAlerts(t *testing.T) {
	promtool(t, "check", "rules", alertsFile)
	promtool(t, "test", "rules", alertTests)
}

// Grafana fills its variables in before Prometheus reads an expression.
func TestPromtoolAcceptsTheDashboard(t *testing.T) {
	type record struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var all []record
	panels := dashboardExpressions(t)
	for _, panel := range slices.Sorted(maps.Keys(panels)) {
		for _, expr := range panels[panel] {
			all = append(all, record{fmt.Sprintf("panel:expr:%d", len(all)), strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(expr)})
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": all}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}
