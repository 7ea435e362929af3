package web_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"plugtone/admin/web/webtest"
)

// TestAKeyIsAddedByKeyboardAlone: from the search for a phone to its resync, without the mouse. What has the focus is always outlined and in view.
func TestAKeyIsAddedByKeyboardAlone(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	mac := webtest.Phone(0).String()
	b.Open("/phones")
	b.Wait("#phones tbody tr")
	b.Press("/")
	b.WaitFor(`document.activeElement.id == "q"`)
	b.Press(kb.Backspace + mac) // the driver also sends the character of a key that the page has taken
	b.WaitFor(`document.querySelectorAll("#phones tbody tr").length == 1`)
	follow(t, b, ".phones .name")
	b.WaitText("h1", "Amelia Wright")
	follow(t, b, `.tabs a[href$="/keys"]`)
	b.Wait(`[data-key="line:5"]`)
	follow(t, b, `[data-key="line:5"]`)
	b.Wait(".key-panel")
	tabTo(t, b, "#f-type")
	b.Press("Busy")
	b.WaitFor(`document.querySelector("#f-type").value == "blf"`)
	tabTo(t, b, "#f-value")
	b.Press("1010")
	tabTo(t, b, "#f-follow")
	b.Press(" ")
	b.Press("\r")
	b.WaitText(`[data-key="line:5"].own.changed`, "Oliver Schmidt")
	follow(t, b, `button[value="preview"]`)
	b.WaitText(".effect .diff", "1010")
	follow(t, b, `button[value="save"]`)
	b.WaitText(".notes", "keys were saved")
	d, _, err := s.API.Devices().Get(t.Context(), mac, false)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.Keys); n != 1 || d.Keys[0].Value != "1010" {
		t.Fatalf("keys: %v", d.Keys)
	}
	follow(t, b, `a[href$="/do/resync"]`)
	b.WaitText("h1", "Resync")
	follow(t, b, ".form-foot .primary")
	b.WaitText(".notes", "resync has started")
}

// follow goes with the Tab key to an element, and presses Enter.
func follow(t *testing.T, b *webtest.Tab, css string) {
	t.Helper()
	tabTo(t, b, css)
	b.Press("\r")
}

// tabTo presses Tab until an element has the focus, at most 100 times.
func tabTo(t *testing.T, b *webtest.Tab, css string) {
	t.Helper()
	webtest.Drawn(b)
	for range 100 {
		b.Press(kb.Tab)
		if seen := b.Eval(focused); seen != "" {
			t.Errorf("the focus can't be seen on %s, at %s", seen, b.Path())
		}
		if b.Eval(fmt.Sprintf("document.activeElement.matches(%q)", css)) == "true" {
			return
		}
	}
	t.Fatalf("Tab does not reach %s, at %s", css, b.Path())
}

// focused is the element that has the focus, where that can't be seen.
const focused = `(() => {
	const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e);
	const outlined = s.outlineStyle != "none" && parseFloat(s.outlineWidth) >= 2;
	const inView = r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth && r.width > 1;
	return e == document.body || outlined && inView ? "" : e.outerHTML.slice(0, 160);
})()`
