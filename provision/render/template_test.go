package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"

	"pgregory.net/rapid"
)

type word string

func (w word) Reveal() string { return string(w) }
func (w word) String() string { return "***" }

func document(t testing.TB, kind string) *Format {
	t.Helper()
	f, ok := Document(kind)
	if !ok {
		t.Fatalf("no format %s", kind)
	}
	return f
}

func mustCompile(t testing.TB, text string, f *Format, secrets bool) *Template {
	t.Helper()
	tt, err := Compile(Source{"x.tmpl", text}, nil, f, nil, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return tt
}

// A value in a template's line is one value of one parameter, with any content.
func TestSheetCarriesAnyValue(t *testing.T) {
	f := formats(t)["quoted"]
	tt := mustCompile(t, "# comment\n  a.{{.N}}.label = {{.V}}  \n\n{{if .V}}b = x{{.V}}y{{end}}\nempty =\n", f, true)
	for _, v := range append(texts(), "a\nb = c", "\n", " ", "\tx", "a\rb", "#", "\x1a", "\x1an") {
		params, err := tt.Params(map[string]any{"N": 1, "V": v})
		if err != nil {
			t.Errorf("%q: %v", v, err)
			continue
		}
		want := []Param{{"a.1.label", v}, {"b", "x" + v + "y"}, {"empty", ""}}
		if v == "" {
			want = []Param{{"a.1.label", ""}, {"empty", ""}}
		}
		if len(params) != len(want) {
			t.Errorf("%q: %q", v, params)
			continue
		}
		for i := range want {
			if params[i] != want[i] {
				t.Errorf("%q: %q, want %q", v, params[i], want[i])
			}
		}
	}
}

func TestSheetRefusesWhatIsNoParameter(t *testing.T) {
	f := formats(t)["ini"]
	if _, err := mustCompile(t, "a = 1\nnonsense\n", f, true).Params(nil); err == nil || !strings.Contains(err.Error(), `x.tmpl:2: line "nonsense" is not a parameter`) {
		t.Error(err)
	}
}

// A digest changes with its text alone, and what is made of a secret stays one.
func TestDigestOfASecretStaysSecret(t *testing.T) {
	x := mustCompile(t, `<a b="{{digest .V}}"/>`, document(t, "xml"), false)
	one, err := x.Document(map[string]any{"V": "1002 Bob"})
	if err != nil || !regexp.MustCompile(`^<a b="[0-9a-f]{12}"/>\n?$`).Match(one) {
		t.Fatalf("%s %v", one, err)
	}
	again, _ := x.Document(map[string]any{"V": "1002 Bob"})
	other, _ := x.Document(map[string]any{"V": "1002 Rob"})
	if !bytes.Equal(one, again) || bytes.Equal(one, other) {
		t.Errorf("%s %s %s", one, again, other)
	}
	if out, err := x.Document(map[string]any{"V": word("p")}); err == nil {
		t.Errorf("%s", out)
	}
}

// A value stays where it was printed: in text, in an attribute, in a JSON literal.
func TestDocumentsCarryAnyValue(t *testing.T) {
	x := mustCompile(t, `<?xml version="1.0" encoding="UTF-8"?><a b="{{.V}}" c='{{.V}}'>{{.V}}<d>{{printf "%s" .V}}</d></a>`, document(t, "xml"), true)
	j := mustCompile(t, `{"a": {{.V}}, "b": [{{.V}}, {{.N}}, {{.T}}], "c": {{.L}}}`, document(t, "json"), true)
	check := func(v string) string {
		data := map[string]any{"V": v, "N": 7, "T": true, "L": []string{v}}
		if out, err := x.Document(data); err == nil {
			var got struct {
				B string `xml:"b,attr"`
				C string `xml:"c,attr"`
				D string `xml:"d"`
				V string `xml:",chardata"`
			}
			if err := xml.Unmarshal(out, &got); err != nil {
				return err.Error() + ": " + string(out)
			}
			if got.B != v || got.C != v || got.D != v || got.V != v {
				return "xml: " + string(out)
			}
		} else if checkText(v) == nil {
			return err.Error()
		}
		out, err := j.Document(data)
		if err != nil {
			if checkText(v) == nil {
				return err.Error()
			}
			return ""
		}
		var got struct {
			A string
			B []any
			C []string
		}
		if err := json.Unmarshal(out, &got); err != nil || got.A != v || got.B[0] != v || got.B[1] != 7.0 || got.B[2] != true || got.C[0] != v {
			return "json: " + string(out)
		}
		return ""
	}
	for _, v := range append(texts(), "a\nb", "a\r\nb", "\t", " a ", "\x00", "\xff", "\x1b[0m") {
		if msg := check(v); msg != "" {
			t.Errorf("%q: %s", v, msg)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.String().Draw(rt, "value")
		if msg := check(v); msg != "" {
			rt.Errorf("%q: %s", v, msg)
		}
	})
}

func TestTextDocumentIsWrittenAsItIs(t *testing.T) {
	tt := mustCompile(t, "include:config <{{.V}}>\n", document(t, "text"), true)
	if out, err := tt.Document(map[string]any{"V": "a b"}); err != nil || string(out) != "include:config <a b>\n" {
		t.Errorf("%q %v", out, err)
	}
	if _, err := tt.Document(map[string]any{"V": "a\nb"}); err == nil || !strings.Contains(err.Error(), "x.tmpl:1") || !strings.Contains(err.Error(), ".V holds a line break") {
		t.Error(err)
	}
}

// In a file that is given without proof a secret is an error, after any function.
func TestSecretInACommonFileIsAnError(t *testing.T) {
	f := formats(t)["ini"]
	data := map[string]any{"P": word("s3cret"), "S": "plain"}
	for _, action := range []string{"{{.P}}", `{{print "x" .P}}`, `{{printf "a:%s" .P}}`, "{{upper .P}}", "{{lower .P}}", "{{trim .P}}", `{{replace "s" "t" .P}}`,
		`{{trimPrefix "s" .P}}`, `{{trimSuffix "s" .P}}`, `{{default "x" .P}}`, `{{choose true .P "x"}}`, "{{slice .P 1}}", "{{$x := .P}}{{$x}}", "{{with .P}}{{.}}{{end}}",
		`{{printf "%s" (print .P)}}`} {
		_, err := mustCompile(t, "a = "+action+"\n", f, false).Params(data)
		if err == nil || !strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s in a common file: %v", action, err)
		}
		params, err := mustCompile(t, "a = "+action+"\n", f, true).Params(data)
		if err != nil || strings.Contains(params[0].Value, "***") {
			t.Errorf("%s in a device file: %q %v", action, params, err)
		}
	}
	params, err := mustCompile(t, "a = {{printf \"admin:%s\" .P}}\n", f, true).Params(data)
	if err != nil || params[0].Value != "admin:s3cret" {
		t.Errorf("%q %v", params, err)
	}
	if _, err := mustCompile(t, `{"a": {{.P}}}`, document(t, "json"), false).Document(data); err == nil {
		t.Error("a secret is in a common JSON file")
	}
}

func TestTemplatesThatBypassEscapingAreRefused(t *testing.T) {
	for _, tt := range []struct{ kind, text, want string }{
		{"xml", "<a><!-- {{.V}} --></a>", "comment"},
		{"xml", "<a><![CDATA[{{.V}}]]></a>", "comment or CDATA"},
		{"xml", "<a>{{html .V}}</a>", "html"},
		{"text", "{{call .V}}", "call"},
		{"text", "{{(urlquery .V) | print}}", "urlquery"},
		{"text", "{{js .V}}", "js"},
		{"text", "{{nosuch .V}}", `function "nosuch" not defined`},
		{"text", "{{.V", "x.tmpl:1"},
		{"text", "a\x1ab", "U+001A"},
	} {
		_, err := Compile(Source{"x.tmpl", tt.text}, nil, document(t, tt.kind), nil, true)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// Every place that prints is escaped: branches, loops, partials, blocks.
func TestEveryActionIsEscaped(t *testing.T) {
	partial := Source{"_p.tmpl", `{{define "p"}}<p>{{.}}</p>{{end}}`}
	main := Source{"x.tmpl", `<a>{{if .V}}{{.V}}{{else}}{{.V}}{{end}}{{range .L}}{{.}}{{else}}{{$.V}}{{end}}{{with .V}}{{.}}{{end}}{{template "p" .V}}` +
		`{{block "b" .V}}{{.}}{{end}}{{range $i, $x := .L}}{{$x}}{{end}}{{.V | upper | lower}}</a>`}
	tt, err := Compile(main, []Source{partial}, document(t, "xml"), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	out, err := tt.Document(map[string]any{"V": "<&", "L": []string{"<&"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "<a>" + strings.Repeat("&lt;&amp;", 3) + "<p>&lt;&amp;</p>" + strings.Repeat("&lt;&amp;", 3) + "</a>"; string(out) != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
}

func TestErrorsNameTheField(t *testing.T) {
	f := formats(t)["ini"]
	for _, tt := range []struct{ text, want string }{
		{"a = 1\nb = {{.Nope}}\n", "x.tmpl:2"},
		{"a = {{.List}}\n", ".List is a []string"},
		{"a = {{.Nil}}\n", ".Nil has no value"},
		{"a = {{.Time}}\n", ".Time is a time.Duration"},
		{"a = {{div 1 0}}\n", "division of 1 by zero"},
		{"a = {{printf \"%d\" \"x\"}}\n", "does not fit"},
		{"a = {{seq 1 100000}}\n", "10000"},
		{"a = {{seconds .List}}\n", "is not a duration"},
	} {
		_, err := mustCompile(t, tt.text, f, true).Params(map[string]any{"List": []string{"a"}, "Nil": nil, "Time": time.Second})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.tmpl:") {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestFunctionsOfTemplates(t *testing.T) {
	f := formats(t)["ini"]
	data := map[string]any{"L": []string{"a", "b"}, "D": 90 * time.Second, "T": true, "F": false, "E": ""}
	for action, want := range map[string]string{
		`{{join "," .L}}`: "a,b", `{{index (split ":" "h:1") 1}}`: "1", `{{add 1 2}}{{sub 5 1}}{{mul 2 3}}{{div 7 2}}{{mod 7 2}}`: "34631",
		`{{seconds .D}} {{minutes .D}} {{hours .D}}`: "90 2 1", "{{.T}}{{.F}}": "10", `{{default "x" .E}}`: "x", `{{choose .F 1 2}}`: "2",
		`{{range seq 2 4}}{{.}}{{end}}`: "234", `{{len (list "a" "b")}}`: "2", `{{replace "a" "b" "aa"}}`: "bb", `{{if contains "b" "abc"}}y{{end}}`: "y",
		`{{if and (hasPrefix "a" "ab") (hasSuffix "b" "ab")}}y{{end}}`: "y", `{{trim " x "}}`: "x", `{{print 1 "a"}}`: "1a", `{{printf "%02d" 7}}`: "07",
	} {
		params, err := mustCompile(t, "a = "+action+"\n", f, true).Params(data)
		if err != nil || params[0].Value != want {
			t.Errorf("%s: %q %v, want %q", action, params, err, want)
		}
	}
}

func TestFieldsThatATemplateUses(t *testing.T) {
	tt, err := Compile(Source{"x.tmpl", `{{range .Lines}}{{template "used" .}}{{end}}{{if setting "dtmf"}}{{$.Model}}{{end}}{{(index .Keys 0).Label}}`},
		[]Source{{"_p.tmpl", `{{define "used"}}{{.Password}}{{end}}{{define "unused"}}{{.Secret}}{{end}}`}}, document(t, "text"),
		template.FuncMap{"setting": func(string) any { return nil }}, true)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(tt.Fields(), " ")
	if want := ".Keys .Label .Lines .Model .Password setting dtmf template used"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The functions of one phone don't leak into the template that all share.
func TestFunctionsOfOnePhoneDoNotLeak(t *testing.T) {
	base, err := Compile(Source{"x.tmpl", "{{f}}"}, nil, document(t, "text"), template.FuncMap{"f": func() string { return "base" }}, true)
	if err != nil {
		t.Fatal(err)
	}
	one, err := base.With(template.FuncMap{"f": func() string { return "one" }}, &FragmentContext{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := one.Document(nil)
	b, _ := base.Document(nil)
	if string(a) != "one" || string(b) != "base" {
		t.Errorf("%s %s", a, b)
	}
}

// A value may look like an error of fmt, or like the text by which a format writes an empty value.
func TestValuesThatLookLikeErrorsOrEmptyAreWritten(t *testing.T) {
	nothing := "%NULL%"
	f := &Format{Kind: "lines", Empty: &nothing}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	params, err := mustCompile(t, "a = {{printf \"admin:%s\" .}}\n", f, true).Params(word("%!s(x)"))
	if err != nil || params[0].Value != "admin:%!s(x)" {
		t.Errorf("%v %v", params, err)
	}
	if _, err := mustCompile(t, "a = {{printf \"%d\" .}}\n", f, true).Params("x"); err == nil || !strings.Contains(err.Error(), "does not fit its arguments") {
		t.Errorf("%v", err)
	}
	if _, err := f.Write([]Param{{"a", nothing}}); err == nil || !strings.Contains(err.Error(), `parameter a: its value is "%NULL%", the word for nothing`) {
		t.Errorf("%v", err)
	}
	if b, err := f.Write([]Param{{"a", ""}}); err != nil || string(b) != "a = %NULL%\n" {
		t.Errorf("%s %v", b, err)
	}
}
