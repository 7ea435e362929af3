package page_test

import (
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"plugtone/admin/web/page"
	"plugtone/admin/web/webtest"
)

// browser sends requests as a browser does, without following redirects.
type browser struct {
	t      *testing.T
	site   *webtest.Site
	cookie string
}

// signIn returns a browser with a session, and the session's CSRF text.
func signIn(t *testing.T, s *webtest.Site, role string) (b *browser, csrf string) {
	t.Helper()
	b = &browser{t: t, site: s}
	res, _ := b.post("/login", url.Values{"token": {role}, "next": {"/phones?q=x"}}, nil)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/phones?q=x" {
		t.Fatalf("sign-in: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	c := res.Cookies()
	if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Secure || c[0].Path != "/" || c[0].MaxAge != 0 {
		t.Fatalf("cookies %v", c)
	}
	b.cookie = c[0].Name + "=" + c[0].Value
	_, body := b.get("/", nil)
	m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no CSRF text in %s", body)
	}
	return b, m[1]
}

func (b *browser) get(path string, h http.Header) (*http.Response, string) {
	b.t.Helper()
	return b.send(http.MethodGet, path, "", h)
}

func (b *browser) post(path string, form url.Values, h http.Header) (*http.Response, string) {
	b.t.Helper()
	return b.send(http.MethodPost, path, form.Encode(), h)
}

func (b *browser) send(method, path, body string, h http.Header) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.site.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Cookie", b.cookie)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, v := range h {
		r.Header[name] = v
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, string(text)
}

func TestPagesNeedASession(t *testing.T) {
	b := &browser{t: t, site: webtest.Empty(t)}
	for path, want := range map[string]string{"/": "/login", "/phones": "/login?next=%2Fphones", "/phones?q=a&sort=mac": "/login?next=%2Fphones%3Fq%3Da%26sort%3Dmac"} {
		if res, _ := b.get(path, nil); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", path, res.StatusCode, res.Header.Get("Location"), want)
		}
	}
	res, _ := b.get("/phones", http.Header{"Hx-Request": {"true"}})
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("HX-Redirect") != "/login" {
		t.Errorf("htmx: %d to %q", res.StatusCode, res.Header.Get("HX-Redirect"))
	}
	if res, _ := b.post("/logout", nil, nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("sign-out without a session: %d", res.StatusCode)
	}
}

func TestASessionIsNoTokenOfTheAPI(t *testing.T) {
	s := webtest.Empty(t)
	b, csrf := signIn(t, s, "admin")
	for _, h := range []http.Header{nil, {"X-Csrf-Token": {csrf}}} {
		if res, body := b.get("/api/v1/devices", h); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := webtest.Empty(t)
	b, csrf := signIn(t, s, "admin")
	form := url.Values{"csrf": {csrf}, "theme": {"dark"}}
	for name, c := range map[string]struct {
		form   url.Values
		header http.Header
	}{
		"no text":           {url.Values{"theme": {"dark"}}, nil},
		"another text":      {url.Values{"csrf": {"AAAA"}, "theme": {"dark"}}, nil},
		"another origin":    {form, http.Header{"Origin": {"https://evil.example"}}},
		"another port":      {form, http.Header{"Origin": {"http://127.0.0.1:1"}}},
		"cross-site":        {form, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"a page beside it":  {form, http.Header{"Sec-Fetch-Site": {"same-site"}}},
		"an opaque origin":  {form, http.Header{"Origin": {"null"}}},
		"sign-in elsewhere": {url.Values{"token": {"viewer"}}, http.Header{"Origin": {"https://evil.example"}}},
	} {
		path := "/theme"
		if name == "sign-in elsewhere" {
			path = "/login"
		}
		res, body := b.post(path, c.form, c.header)
		if res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
			t.Errorf("%s: %d %v %s", name, res.StatusCode, res.Cookies(), body)
		}
	}
	for _, h := range []http.Header{nil, {"Origin": {s.URL}}, {"Sec-Fetch-Site": {"same-origin"}}} {
		if res, body := b.post("/theme", form, h); res.StatusCode != http.StatusSeeOther {
			t.Errorf("the page's own form with %v: %d %s", h, res.StatusCode, body)
		}
	}
	// htmx sends the text as a header.
	if res, _ := b.post("/theme", url.Values{"theme": {"dark"}}, http.Header{"X-Csrf-Token": {csrf}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("by the header: %d", res.StatusCode)
	}
	if res, _ := b.post("/logout", url.Values{"csrf": {csrf}}, nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("sign-out: %d", res.StatusCode)
	}
	if res, _ := b.get("/phones", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after the sign-out: %d", res.StatusCode)
	}
}

func TestFilesOfAFormAreRemoved(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := webtest.Empty(t)
	b, csrf := signIn(t, s, "viewer")
	for name, want := range map[string]int{csrf: http.StatusSeeOther, "another": http.StatusForbidden} {
		var body strings.Builder
		form := multipart.NewWriter(&body)
		if err := form.WriteField("csrf", name); err != nil {
			t.Fatal(err)
		}
		file, err := form.CreateFormFile("file", "phones.csv")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(make([]byte, 33<<20)); err != nil { // http.Request keeps 32 MiB in memory
			t.Fatal(err)
		}
		if err := form.Close(); err != nil {
			t.Fatal(err)
		}
		if res, text := b.send(http.MethodPost, "/theme", body.String(), http.Header{"Content-Type": {form.FormDataContentType()}}); res.StatusCode != want {
			t.Errorf("%d %s", res.StatusCode, text)
		}
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "multipart-*")); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func TestEveryAnswerHasTheHeadersThatProtectIt(t *testing.T) {
	s := webtest.Empty(t)
	b, _ := signIn(t, s, "viewer")
	for _, path := range []string{"/", "/phones", "/login", "/nothing", "/phones?where=x"} {
		res, body := b.get(path, nil)
		csp := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %s", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, res.Header)
		}
		if regexp.MustCompile(`<script>|<style|\son[a-z]+=|style="|javascript:|https?://`).MatchString(body) {
			t.Errorf("%s has an inline script or style, or names another host: %s", path, body)
		}
	}
}

func TestTheWayBackStaysOnThisServer(t *testing.T) {
	for path, want := range map[string]string{"/phones?q=1": "/phones?q=1", "": "/", "//evil.example": "/", "https://evil.example/x": "/", `/\evil.example`: "/", "/a\\b": "/", "phones": "/",
		"/%2f/x": "/%2f/x", "javascript:alert(1)": "/", "/\t/evil.example": "/"} {
		if got := page.LocalPath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestErrorsAreShownWithTheirStatus(t *testing.T) {
	s := webtest.Empty(t)
	b, _ := signIn(t, s, "viewer")
	if res, body := b.get("/nothing", nil); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "<h1>Not found</h1>") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res, _ := b.get("/nothing", http.Header{"Accept": {"application/json"}}); res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("for programs: %s", res.Header.Get("Content-Type"))
	}
	s.Break(true)
	if res, body := b.get("/phones", nil); res.StatusCode < 500 || !strings.Contains(body, "<h1>") {
		t.Errorf("a broken store: %d %s", res.StatusCode, body)
	}
}

func TestAFileIsServedAtItsAddressOnly(t *testing.T) {
	s := webtest.Empty(t)
	b, _ := signIn(t, s, "viewer")
	_, body := b.get("/", nil)
	style := regexp.MustCompile(`/assets/[0-9a-f]+/style\.css`).FindString(body)
	res, text := b.get(style, nil)
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/css") || !strings.Contains(text, "--bg:") || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", style, res.StatusCode, res.Header)
	}
	for _, path := range []string{"/assets/000000000000/style.css", "/assets/", "/assets/../admin.go", style + "x"} {
		if res, _ := b.get(path, nil); res.StatusCode == 200 {
			t.Errorf("%s is served", path)
		}
	}
}

func TestOverTLSTheCookieIsSecure(t *testing.T) {
	s := webtest.Empty(t)
	srv := httptest.NewTLSServer(s.Server(t).Handler())
	t.Cleanup(srv.Close)
	c := srv.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.PostForm(srv.URL+"/login", url.Values{"token": {"viewer"}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Cookies(); len(got) != 1 || !got[0].Secure || got[0].Name != "__Host-plugtone" {
		t.Errorf("cookies %v", got)
	}
}
