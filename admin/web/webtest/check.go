package webtest

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe finds what keeps people from using a page: contrast, names, roles, labels (https://github.com/dequelabs/axe-core).
//
//go:embed testdata/axe.min.js
var axe string

// Check looks at the page in both colour schemes, 360 and 1,440 pixels wide: axe-core must find nothing, and nothing may be wider than the
// window. It takes a screenshot of each, NAME-dark-360.png for instance.
func (b *Tab) Check(name string) {
	b.t.Helper()
	for _, width := range []int64{360, 1440} {
		for _, scheme := range []string{"light", "dark"} {
			b.look(name, scheme, width)
		}
	}
}

func (b *Tab) look(name, scheme string, width int64) {
	b.t.Helper()
	b.Scheme(scheme)
	b.do(chromedp.EmulateViewport(width, 900))
	at := fmt.Sprintf("%s-%s-%d", name, scheme, width)
	b.Screenshot(at)
	wide := b.Eval(`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".table-wrap, .nav, .tabs, .diff, .unseen, .chips, .scroll-x")).map(e => e.outerHTML.slice(0, 120)).slice(0, 3).join("\n")`)
	if wide != "" {
		b.t.Errorf("%s: wider than the window: %s", at, wide)
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if loaded, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`"axe" in window`)); err != nil || !loaded { // it is half a megabyte: once a page
		if err := chromedp.Do(ctx, eval(axe+";0")); err != nil {
			b.t.Fatal(err)
		}
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document, `+axeOptions(scheme)+`).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 4).map(n => n.html.slice(0, 200) + " :: " + n.failureSummary)}))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe at %s: %v", at, err)
	}
	var found []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range found {
		b.t.Errorf("%s: axe %s: %s", at, v.ID, v.Help)
		for _, n := range v.Nodes {
			b.t.Errorf("    %s", n)
		}
	}
}

// axeOptions are all rules in the light scheme, and in the dark one those that look at colours: the elements are the same. Without preload axe
// reads no style sheets itself; no rule that is on by default uses them.
func axeOptions(scheme string) string {
	options := `preload: false, selectors: false, resultTypes: ["violations"]`
	if scheme == "dark" {
		options += `, runOnly: ["color-contrast", "link-in-text-block"]`
	}
	return "{" + options + "}"
}

func eval(js string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](js)
}

// Scheme sets what the system prefers, light or dark.
func (b *Tab) Scheme(scheme string) {
	b.t.Helper()
	p := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, p); err != nil {
		b.t.Fatal(err)
	}
}
