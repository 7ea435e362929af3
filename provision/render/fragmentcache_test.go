package render

import (
	"errors"
	"strings"
	"testing"
	"text/template"
)

// slot is an element that prints the same when it is empty.
type slot struct {
	N     int
	Label string
	Inner []slot
}

func same(e any) (any, bool) {
	s, ok := e.(slot)
	return s.N, ok && s.Label == "" && s.Inner == nil
}

// What is remembered of one phone is never what another should have got.
func TestRangesAreRememberedOnlyWhenTheyMayBe(t *testing.T) {
	calls := 0
	phone := &FragmentContext{FragmentKey: same}
	who := "first"
	funcs := template.FuncMap{
		"count": func() string { calls++; return "" },
		"who":   func() string { phone.UsedPhoneData = true; return who },
	}
	for text, want := range map[string]struct {
		first, second string
		calls         int // in both runs together
	}{
		"{{range .L}}{{count}}k{{.N}} = {{.Label}}\n{{end}}":                                                                         {"k1=a k2= k3=", "k1=b k2= k3=", 4},
		"{{range .L}}{{count}}k{{.N}} = {{who}}{{.Label}}\n{{end}}":                                                                  {"k1=firsta k2=first k3=first", "k1=secondb k2=second k3=second", 6},
		"{{range .L}}{{count}}{{if .Label}}x = {{who}}\n{{end}}k{{.N}} = 1\n{{end}}":                                                 {"x=first k1=1 k2=1 k3=1", "x=second k1=1 k2=1 k3=1", 4},
		"{{range .L}}{{count}}k{{.N}} = {{$.V}}\n{{end}}":                                                                            {"k1=first k2=first k3=first", "k1=second k2=second k3=second", 6},
		"{{$v := .V}}{{range .L}}{{count}}k{{.N}} = {{$v}}\n{{end}}":                                                                 {"k1=first k2=first k3=first", "k1=second k2=second k3=second", 6},
		"{{range $i, $s := .L}}{{count}}k{{$i}} = {{$s.Label}}\n{{end}}":                                                             {"k0=a k1= k2=", "k0=b k1= k2=", 6},
		"{{range .L}}{{count}}{{$n := .N}}{{range .Inner}}k{{$n}} = {{.N}}\n{{end}}{{end}}":                                          {"", "", 4},
		"{{range .None}}{{count}}a = 1\n{{else}}b = {{who}}\n{{end}}":                                                                {"b=first", "b=second", 0},
		"{{range .L}}{{count}}{{if eq .N 2}}{{break}}{{end}}k{{.N}} = 1\n{{end}}":                                                    {"k1=1", "k1=1", 4},
		"{{range .Map}}{{count}}m = {{.}}\n{{end}}{{range .None}}n = 1\n{{end}}":                                                     {"m=x", "m=x", 2},
		"{{range .L}}{{template \"part\" .}}{{end}}{{define \"part\"}}{{count}}{{range .Inner}}{{end}}k{{.N}} = {{.Label}}\n{{end}}": {"k1=a k2= k3=", "k1=b k2= k3=", 4},
	} {
		calls, who = 0, "first"
		base, err := Compile(Source{"x.tmpl", text}, nil, ini(t), funcs, true)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		bound, err := base.With(funcs, phone)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range []string{"first", "second"} {
			who = v
			data := map[string]any{"L": []slot{{N: 1, Label: v[:0] + []string{"a", "b"}[i]}, {N: 2}, {N: 3}}, "V": v, "None": nil, "Map": map[string]string{"q": "x"}}
			params, err := bound.Params(data)
			var got []string
			for _, p := range params {
				got = append(got, p.Name+"="+p.Value)
			}
			wanted := []string{want.first, want.second}[i]
			if err != nil || strings.Join(got, " ") != wanted {
				t.Errorf("%s: run %d gives %v, %v; want %s", text, i+1, got, err, wanted)
			}
		}
		if calls != want.calls {
			t.Errorf("%s: the body ran %d times, want %d", text, calls, want.calls)
		}
	}
}

// An error inside a range names its own place, not that of the ranges around it.
func TestRangeErrorsNameTheirPlace(t *testing.T) {
	bad := errors.New("out of ink")
	funcs := template.FuncMap{"bad": func() (string, error) { return "", bad }}
	tt, err := Compile(Source{"x.tmpl", "a = 1\n{{range .}}\n{{range .Inner}}\nb = {{bad}}\n{{end}}{{end}}"}, nil, ini(t), funcs, true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tt.Params([]slot{{Inner: []slot{{N: 1}}}})
	if err == nil || !strings.HasPrefix(err.Error(), "x.tmpl:4:") || !strings.Contains(err.Error(), "out of ink") || strings.Contains(err.Error(), "_range") {
		t.Errorf("%v", err)
	}
	tt, err = Compile(Source{"x.tmpl", "{{range .}}\nb = {{.Inner}}\n{{end}}"}, nil, ini(t), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = tt.Params([]slot{{N: 1}}); err == nil || !strings.HasPrefix(err.Error(), "x.tmpl:2:") || !strings.Contains(err.Error(), ".Inner is a []render.slot") {
		t.Errorf("%v", err)
	}
}

func TestFragmentsAreBounded(t *testing.T) {
	m := &fragmentCache{budget: NewFragmentBudget()}
	long := strings.Repeat("x", maxFragmentBytes/4)
	for i := range 10 {
		m.put(fragmentCacheKey{"body", i}, long)
	}
	kept := 0
	for i := range 10 {
		if _, ok := m.get(fragmentCacheKey{"body", i}); ok {
			kept++
		}
	}
	if kept != 3 {
		t.Errorf("%d of 10 are kept, want 3", kept)
	}
}

func ini(t testing.TB) *Format {
	t.Helper()
	f := &Format{Kind: "lines"}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	return f
}
