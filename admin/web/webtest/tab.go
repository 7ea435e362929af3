package webtest

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a page may take for one step. The machine may be loaded.
const patience = 3 * time.Minute

// Tab is one tab of a browser that shares nothing with others. When the test ends, messages in its console fail it: errors of scripts,
// violations of the Content-Security-Policy, files that are missing.
type Tab struct {
	site *Site
	t    testing.TB
	ctx  context.Context

	mu       sync.Mutex
	messages []string
}

// Tab opens an empty tab without a session.
func (s *Site) Tab(t testing.TB) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(sharedBrowser(t), chromedp.WithNewBrowserContext())
	b := &Tab{site: s, t: t, ctx: ctx}
	t.Cleanup(cancel)
	b.do(chromedp.EmulateViewport(1440, 900))
	// Times are those of a viewer in one place, wherever the test runs.
	if _, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Berlin"}); err != nil {
		t.Fatal(err)
	}
	console := chromedp.Console(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range console {
			if err != nil {
				return
			}
			b.heard(m)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		for _, m := range b.messages {
			t.Errorf("console: %s", m)
		}
	})
	return b
}

// heard keeps a message that is an error. A form that is refused is none: Chromium reports each answer of 400 and above.
func (b *Tab) heard(m chromedp.ConsoleMessage) {
	text := m.String()
	refused := m.Source == "network" && strings.Contains(m.Text, "status of 4") && !strings.Contains(m.URL, "/assets/")
	if refused || !m.IsException() && m.Type != "error" && m.Type != "warning" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, text+" "+m.URL)
}

// As opens a tab that is signed in with the role admin, operator or viewer.
func (s *Site) As(t testing.TB, role string) *Tab {
	t.Helper()
	b := s.Tab(t)
	b.Open("/login")
	b.Type("#token", role)
	b.Press("\r")
	b.Wait(".nav")
	return b
}

func (b *Tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := b.try(steps...); err != nil {
		b.Screenshot("failed")
		b.t.Fatalf("%v; at %s", err, b.Path())
	}
}

func (b *Tab) try(steps ...chromedp.Action[chromedp.Void]) error {
	if err := chromedp.Do(b.ctx); err != nil { // the tab lives as long as its first context
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Open goes to a path of the site.
func (b *Tab) Open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site.URL + path))
}

// Back goes to the page before. It does not wait for it.
func (b *Tab) Back() { b.t.Helper(); b.Eval("history.back()") }

// Click clicks on the first visible element of a CSS selector.
func (b *Tab) Click(css string) {
	b.t.Helper()
	b.Wait(css)
	b.WaitFor(painted)
	b.do(chromedp.Click(chromedp.CSS(css)))
}

// painted is true once a page has been drawn. Until then Chromium drops clicks on a page that has just replaced another.
const painted = `performance.getEntriesByName("first-contentful-paint").length > 0`

// Type replaces what is in a field by a text, key by key.
func (b *Tab) Type(css, text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(css)), chromedp.Focus(chromedp.CSS(css)))
	b.Eval(fmt.Sprintf("document.querySelector(%q).select()", css))
	if text == "" {
		text = kb.Backspace
	}
	b.do(chromedp.KeyEvent(text))
}

// Press sends keys to what has the focus; package chromedp/kb names them.
func (b *Tab) Press(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }

// Choose sets the value of a select or another field, as a user would.
func (b *Tab) Choose(css, value string) {
	b.t.Helper()
	b.Wait(css)
	b.Eval(fmt.Sprintf(`{const e=document.querySelector(%q); e.value=%q; e.dispatchEvent(new Event("input",{bubbles:true})); e.dispatchEvent(new Event("change",{bubbles:true}))}`, css, value))
}

// Upload puts files into a file field.
func (b *Tab) Upload(css string, files ...string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS(css), files))
}

// Wait waits until an element is visible.
func (b *Tab) Wait(css string) { b.t.Helper(); b.do(chromedp.WaitVisible(chromedp.CSS(css))) }

// Gone waits until there is no such element.
func (b *Tab) Gone(css string) { b.t.Helper(); b.do(chromedp.WaitNotPresent(chromedp.CSS(css))) }

// WaitText waits until an element's text contains text.
func (b *Tab) WaitText(css, text string) {
	b.t.Helper()
	b.WaitFor(fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, css, text))
}

// WaitFor waits until a JavaScript expression is true, across navigations.
func (b *Tab) WaitFor(js string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		// A page that is being replaced answers with an error; the next one is requested.
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](js))
		if err == nil && ok {
			return
		}
		if err := chromedp.Do(ctx, chromedp.Sleep(20*time.Millisecond)); err != nil {
			break
		}
	}
	b.Screenshot("failed")
	b.t.Fatalf("never true: %s; at %s", js, b.Path())
}

// Text returns the visible text of the first element of a selector.
func (b *Tab) Text(css string) string {
	b.t.Helper()
	return b.Eval(fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, css))
}

// Has reports whether there is such an element now.
func (b *Tab) Has(css string) bool { b.t.Helper(); return b.Count(css) > 0 }

// Count returns how many elements a selector has.
func (b *Tab) Count(css string) int {
	b.t.Helper()
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](fmt.Sprintf(`document.querySelectorAll(%q).length`, css)))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// Eval returns the text of a JavaScript expression.
func (b *Tab) Eval(js string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String((() => { return eval("+quote(js)+") })())"))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return text
}

func quote(js string) string { return fmt.Sprintf("%q", js) }

// Path returns the path and query of the address.
func (b *Tab) Path() string {
	text, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(text, b.site.URL)
}

// Cookies returns the cookies of the site as a Cookie header has them, for requests of the test's own.
func (b *Tab) Cookies() string {
	b.t.Helper()
	res, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.site.URL}})
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, c := range res.Cookies {
		out = append(out, c.Name+"="+c.Value)
	}
	return strings.Join(out, "; ")
}

// Picture writes the visible page to NAME.png in the folder $PLUGTONE_SCREENSHOTS.
func (b *Tab) Picture(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Getenv("PLUGTONE_SCREENSHOTS"), name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Errorf("screenshot: %v", err)
	}
}

// Screenshot writes the visible page to NAME.png in the folder $PLUGTONE_SCREENSHOTS; without one it does nothing.
func (b *Tab) Screenshot(name string) {
	if os.Getenv("PLUGTONE_SCREENSHOTS") == "" {
		return
	}
	b.t.Helper()
	b.Picture(strings.ReplaceAll(b.t.Name(), "/", "-") + "-" + name)
}

// Drawn waits until the page has been drawn. Until then Chromium drops clicks on a page that has just replaced another.
func Drawn(b *Tab) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err != nil {
		b.t.Fatal(err)
	}
}
