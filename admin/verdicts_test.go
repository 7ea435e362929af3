package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"plugtone/admin/admintest"
	"plugtone/provision/impact"
)

// TestADryRunOfAnApplyGivesEachRowItsVerdict: what contradicts another device, another row or a PBX source is a conflict with its reason,
// in the order of the file. An apply in earnest is refused while another record has what a row wants, and leaves what a source has.
func TestADryRunOfAnApplyGivesEachRowItsVerdict(t *testing.T) {
	a := newAPI(t)
	synced(t, a)
	a.do("POST /api/v1/devices", `{"mac":"001565000009","model":"acme/A4","reserved_ip":"10.20.0.50","other_macs":["001565000019"]}`, 201)
	rows := []string{
		`{"mac":"001565000003","model":"acme/A4","reserved_ip":"10.20.0.50"}`,
		`{"mac":"001565000002","model":"acme/A4","label":"Hall"}`,
		`{"mac":"00-15-65-00-00-02","label":"again"}`,
		`{"mac":"001565000009","model":"acme/A4"}`,
		`{"mac":"` + phone + `","label":"Other","model":"acme/A4","lines":[{"extension":"1001"}],"keys":[` + blfKey(2, "1001") + `]}`,
		`{"mac":"001565000019","model":"acme/A4"}`,
	}
	body := func(rows ...string) string {
		return `{"extensions":[{"number":"1002","registrar":"main","display_name":"Bob"}],"devices":[` + strings.Join(rows, ",") + `]}`
	}
	revision := a.Records.Revision()
	r := a.as("operator", "POST /api/v1/apply?dry_run=true", body(rows...), "Content-Type: application/json")
	a.want(r, "dry run", 200)
	var p impact.Preview
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range p.Rows {
		got = append(got, strings.TrimSpace(fmt.Sprint(x.Row, " ", x.Name, " ", x.Verdict, " ", x.Reason)))
	}
	want := []string{
		"extensions[0] 1002@main changed",
		"devices[0] 00:15:65:00:00:03 conflict reserved_ip 10.20.0.50 is reserved for device 00:15:65:00:00:09 already",
		"devices[1] 00:15:65:00:00:02 new",
		"devices[2] 00:15:65:00:00:02 conflict mac 00:15:65:00:00:02 is in devices[1] already",
		"devices[3] 00:15:65:00:00:09 same",
		"devices[4] " + phone + " conflict keys.line:2, label: what the PBX source main has stays as it is",
		"devices[5] 00:15:65:00:00:19 conflict mac 00:15:65:00:00:19 belongs to device 00:15:65:00:00:09 already",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || p.Conflicts != 3 || a.Records.Revision() != revision {
		t.Errorf("%d conflicts, got\n%s\nwant\n%s", p.Conflicts, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	refused := a.as("operator", "POST /api/v1/apply", body(rows...), "Content-Type: application/json")
	a.want(refused, "apply", 422)
	for _, place := range []string{"body.devices[0].reserved_ip", "body.devices[2].mac", "body.devices[5].mac"} {
		if !strings.Contains(refused.body, place) || strings.Contains(refused.body, "devices[4]") || a.Records.Revision() != revision {
			t.Errorf("no %s: %s", place, refused.body)
		}
	}
	faulty := a.as("operator", "POST /api/v1/apply?dry_run=true", body(append(rows, `{"mac":"001565000005","model":"acme/A9"}`)...), "Content-Type: application/json")
	a.want(faulty, "dry run with a faulty row", 422)
	if !strings.Contains(faulty.body, "devices[6].model") || !strings.Contains(faulty.body, "devices[0].reserved_ip") {
		t.Errorf("%s", faulty.body)
	}
	done := a.as("operator", "POST /api/v1/apply", body(rows[1], rows[3], rows[4]), "Content-Type: application/json")
	a.want(done, "apply without those", 200)
	if got := done.get(t, "rows.2.reason"); got != "keys.line:2, label: what the PBX source main has stays as it is" || done.get(t, "skipped") != "1" {
		t.Errorf("%s", done.body)
	}
}

// TestProblemsAreNamedInTheOrderOfTheFile: records are applied in another order, and a file with very many problems has its first ones named.
func TestProblemsAreNamedInTheOrderOfTheFile(t *testing.T) {
	a := newAPI(t)
	var table strings.Builder
	table.WriteString("mac,label,profile\n")
	const rows = 2500
	for i := range rows {
		fmt.Fprintf(&table, "001565%06x,Phone %d,none\n", rows-i, i)
	}
	r := a.as("operator", "POST /api/v1/apply", table.String(), "Content-Type: text/csv")
	a.want(r, "apply", 422)
	var p struct {
		Detail string
		Errors []struct{ Location string }
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Errors) != 1000 || !strings.HasPrefix(p.Detail, "2500 problems") {
		t.Fatalf("%d of %s", len(p.Errors), p.Detail)
	}
	for i, d := range p.Errors {
		if want := fmt.Sprintf("body.row %d, column profile", i+2); d.Location != want {
			t.Fatalf("%s, want %s", d.Location, want)
		}
	}
}

// TestMemoryOfAnApplyIsGrantedBeforeItsBodyIsRead: 16 bytes for each byte of the body, until the answer is sent; 256 MB when the length of
// the body is not known.
func TestMemoryOfAnApplyIsGrantedBeforeItsBodyIsRead(t *testing.T) {
	granted, done := make(chan int64, 1), make(chan struct{}, 1)
	h := admintest.New(t)
	h.Config.API.Memory = func(bytes int64) func() {
		granted <- bytes
		return func() { done <- struct{}{} }
	}
	a := newAPIOf(t, h)
	body := `{"profiles":[{"name":"desk"}]}`
	for length, want := range map[int64]int64{int64(len(body)): 16 * int64(len(body)), -1: 256 << 20} {
		var got int64
		req, err := http.NewRequest(http.MethodPost, a.url+"/api/v1/apply", readerFunc(func(b []byte) (int, error) {
			if got == 0 {
				select {
				case got = <-granted:
				case <-time.After(time.Minute):
					return 0, io.ErrUnexpectedEOF
				}
				return copy(b, body), nil
			}
			return 0, io.EOF
		}))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header = http.Header{"Authorization": {"Bearer operator"}, "Content-Type": {"application/json"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || got != want {
			t.Errorf("length %d: status %d, %v, granted %d, want %d\n%s", length, res.StatusCode, err, got, want, answer)
		}
		<-done
		_ = res.Body.Close()
	}
	within := httptest.NewRequest(http.MethodPost, "/api/v1/apply", strings.NewReader(body)) // as the page sends it
	within.Header = http.Header{"Authorization": {"Bearer operator"}, "Content-Type": {"application/json"}}
	within.Host = strings.TrimPrefix(a.url, "http://")
	h.Server(t).Handler().ServeHTTP(httptest.NewRecorder(), within)
	if got := <-granted; got != 16*int64(len(body)) {
		t.Errorf("within the process: granted %d", got)
	}
	<-done
	if r := a.as("viewer", "POST /api/v1/apply", body); r.status != http.StatusForbidden || len(granted) > 0 {
		t.Errorf("a viewer: status %d, %d grants", r.status, len(granted))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
