package admin_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/deviceindex"
	"plugtone/provision/fleet"
)

const phone = "00:15:65:12:34:56"

// TestMain draws fewer examples than rapid's default, unless another number is set: each makes two APIs.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set("15"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// api is a Fixture behind HTTP, with a token for each role. The text of the token is the name of the role.
type api struct {
	*admintest.Fixture
	t   testing.TB
	url string
}

func newAPI(t testing.TB) *api {
	t.Helper()
	return newAPIOf(t, admintest.New(t))
}

// newAPIOf is newAPI with a fixture whose configuration the test has changed.
func newAPIOf(t testing.TB, h *admintest.Fixture) *api {
	t.Helper()
	for _, role := range []string{"admin", "operator", "viewer", "push"} {
		sum := sha256.Sum256([]byte(role))
		if err := h.PutToken("test", fleet.Token{Name: role, Role: role, Hash: hex.EncodeToString(sum[:])}); err != nil {
			t.Fatal(err)
		}
	}
	srv := httptest.NewServer(h.Server(t).Handler())
	t.Cleanup(srv.Close)
	return &api{h, t, srv.URL}
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   string
}

// as sends METHOD PATH with the token of a role, and optionally a body and headers (Name: value).
func (a *api) as(role, request, body string, headers ...string) reply {
	a.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	if !strings.HasPrefix(path, "/") {
		a.t.Fatalf("request %q", request)
	}
	req, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+role)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

// do sends as an operator and requires a status of the answer.
func (a *api) do(request, body string, status int, headers ...string) reply {
	a.t.Helper()
	r := a.as("operator", request, body, headers...)
	a.want(r, request, status)
	return r
}

func (a *api) want(r reply, request string, status int) {
	a.t.Helper()
	if r.status != status {
		a.t.Fatalf("%s: status %d, want %d\n%s", request, r.status, status, r.body)
	}
	if status >= 400 && r.header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s: error with the content type %q", request, r.header.Get("Content-Type"))
	}
}

// get returns a member of an answer, given its path such as a.b.0.
func (r reply) get(t testing.TB, path string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// office creates a registrar, two extensions and a phone.
func (a *api) office() {
	a.t.Helper()
	a.do("PUT /api/v1/registrars/main", `{"host":"pbx.example.com"}`, 201)
	a.do("PUT /api/v1/extensions/1001", `{"display_name":"Front Desk","password":"s3cret"}`, 201)
	a.do("PUT /api/v1/extensions/1002", `{}`, 201)
	a.do("POST /api/v1/devices", `{"mac":"0015.6512.3456","model":"acme/A4","label":"Front Desk Phone","lines":[{"extension":"1001"}],
		"keys":[{"slot":2,"type":"blf","value":"1002","label":"Bob"}],"settings":{"admin_password":"topsecret","language":"de"}}`, 201)
}

// mustMAC parses a MAC.
func mustMAC(t testing.TB, s string) dhcp.MAC {
	t.Helper()
	m, err := dhcp.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func equalBytes(t testing.TB, name string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}

// UseStore puts a store in the place of the records in memory.
func (a *api) UseStore(t testing.TB, s interface {
	fleet.Records
	fleet.Changes
	PutToken(actor string, t fleet.Token) error
}) {
	t.Helper()
	site := a.Config.API.Site
	service, err := a.Config.API.Preview(s)
	if err != nil {
		t.Fatal(err)
	}
	a.Config.API.Records, a.Config.API.Changes, a.Config.API.Site = s, s, site
	a.Config.API.Phones = service.(*provision.Service)
	a.Service = service.(*provision.Service)
	a.Config.API.Index = deviceindex.New(deviceindex.Config{Records: s, Packs: a.Config.API.Packs, Site: site, Compute: a.Service.States().Of, Now: a.Config.API.Now})
	srv := httptest.NewServer(a.Server(t).Handler())
	t.Cleanup(srv.Close)
	a.url = srv.URL
}
