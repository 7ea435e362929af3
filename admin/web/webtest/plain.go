package webtest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Plain is a browser without JavaScript and style sheets: it follows links and sends forms.
type Plain struct {
	t    testing.TB
	http *http.Client
	at   *url.URL
	doc  *html.Node
	code int
}

// Plain opens a browser without JavaScript that is signed in with a role.
func (s *Site) Plain(t testing.TB, role string) *Plain {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &Plain{t: t, http: &http.Client{Jar: jar}, at: at}
	p.Open("/login")
	p.Send("/login", url.Values{"token": {role}})
	return p
}

// Open goes to a path.
func (p *Plain) Open(path string) { p.t.Helper(); p.do(http.MethodGet, path, nil) }

// Path returns the path and query of the page.
func (p *Plain) Path() string { return p.at.RequestURI() }

// Status returns the HTTP status of the page.
func (p *Plain) Status() int { return p.code }

func (p *Plain) do(method, ref string, form url.Values) {
	p.t.Helper()
	target, err := p.at.Parse(ref)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", p.at.Scheme+"://"+p.at.Host)
	}
	res, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	p.at, p.code = res.Request.URL, res.StatusCode
	if p.doc, err = html.Parse(res.Body); err != nil && err != io.EOF {
		p.t.Fatal(err)
	}
}

// Follow goes where the first link leads whose text or label contains text.
func (p *Plain) Follow(text string) {
	p.t.Helper()
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "a" && strings.Contains(words(n)+attr(n, "aria-label"), text) {
			p.Open(attr(n, "href"))
			return
		}
	}
	p.t.Fatalf("%s has no link %q", p.Path(), text)
}

// Send sends the form with an action, with values over what it has. A form without a method is a search.
func (p *Plain) Send(action string, values url.Values) {
	p.t.Helper()
	for n := range p.doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || attr(n, "action") != action {
			continue
		}
		form := fields(n)
		for name, v := range values {
			form[name] = v
		}
		if strings.EqualFold(attr(n, "method"), "post") {
			p.do(http.MethodPost, action, form)
		} else {
			p.do(http.MethodGet, action+"?"+form.Encode(), nil)
		}
		return
	}
	p.t.Fatalf("%s has no form to %s", p.Path(), action)
}

// fields returns what a form would send without a click on one of its buttons.
func fields(form *html.Node) url.Values {
	out := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" || has(n, "disabled") {
			continue
		}
		switch n.Data {
		case "input":
			box := attr(n, "type") == "checkbox" || attr(n, "type") == "radio"
			if !box || has(n, "checked") {
				out.Add(name, attr(n, "value"))
			}
		case "textarea":
			out.Add(name, words(n))
		case "select":
			for o := range n.Descendants() {
				if o.Data == "option" && has(o, "selected") {
					out.Set(name, attr(o, "value"))
				}
			}
		}
	}
	return out
}

// Sees requires that the page has a text.
func (p *Plain) Sees(text string) {
	p.t.Helper()
	if got := words(p.doc); !strings.Contains(got, text) {
		p.t.Fatalf("%s (%d) lacks %q: %s", p.Path(), p.code, text, got)
	}
}

// words returns the text of a node, with single spaces.
func words(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// Lacks requires that no element of a name, such as thead, has a text.
func (p *Plain) Lacks(element, text string) {
	p.t.Helper()
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == element && strings.Contains(words(n), text) {
			p.t.Fatalf("%s has %q in %s", p.Path(), text, element)
		}
	}
}
