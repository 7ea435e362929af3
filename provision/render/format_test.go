package render

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func formats(t testing.TB) map[string]*Format {
	null := "%NULL%"
	out := map[string]*Format{
		"ini":       {Kind: "lines", Header: []string{"#!version:1.0.0.1"}, Empty: &null},
		"colon":     {Kind: "lines", Line: "{name}: {value}", Newline: "crlf", Footer: []string{"# end"}},
		"quoted":    {Kind: "lines", Line: `{name}="{value}"`, Escape: map[string]string{`"`: `\"`, `\`: `\\`, "\n": `\n`}, Newline: "crlf"},
		"set":       {Kind: "lines", Line: `SET {name} "{value}"`, Refuse: `"`},
		"flat":      {Kind: "tree", Root: "flat-profile"},
		"attribute": {Kind: "tree", Root: "CONFIG", Path: "ALL/@{name}"},
		"item":      {Kind: "tree", Root: "gs[@version=1]", Path: "config[@version=2]/item[@name={name}]"},
		"index":     {Kind: "tree", Root: "settings", Index: "idx", Path: "phone[@e=2]/{name}[@perm=R]"},
		"kept":      {Kind: "tree", Root: "Frame", Path: "Provider/ITEM[@ID='{name}'][@class=item]/@value"},
		"pair":      {Kind: "tree", Root: "ParameterList", Path: "O[N={name}]/V", Value: `"{value}"`},
	}
	for name, f := range out {
		if err := f.Check(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return out
}

// texts are what operators and phones have been seen to write.
func texts() []string {
	all := []string{"", "1001", `"`, `""`, "'", "&", "&amp;", "<", "</flat-profile>", "<!--", "]]>", "<![CDATA[", `\`, `\n`, `\"`, "=", " = ", "a = b",
		"#", "# x", ";", "%", "%s", "%NULL%x", "{{.Password}}", "{name}", "{value}", "$PROXY", "a b", "Büro", "電話", "שלום", "😀", "e\u0301",
		"\ufeff", "a\u2028b", "-- x --", "[1]", "a/b", "@x"}
	var ascii strings.Builder
	for c := byte(' '); c < 0x7f; c++ {
		all = append(all, "x"+string(c)+"x")
		ascii.WriteByte(c)
	}
	return append(all, "x"+ascii.String()+"x")
}

// Every value either reads back as it was or is refused with the parameter's name; nothing is dropped or changed.
func TestValuesReadBack(t *testing.T) {
	for name, f := range formats(t) {
		for _, v := range append(texts(), "a\nb", "a\rb", "a\tb", " a", "a ", "\x00", "a\x1bb", "\xff", "a\x1ab") {
			params := []Param{{"first.name", "1"}, {"Second_Name_2_", v}, {"third", "3"}}
			data, err := f.Write(params)
			if err != nil {
				if !strings.Contains(err.Error(), "Second_Name_2_") {
					t.Errorf("%s %q: error %q does not name the parameter", name, v, err)
				}
				if f.CheckValue(v) == nil {
					t.Errorf("%s %q: written with an error, though the check takes it: %v", name, v, err)
				}
				continue
			}
			if err := f.Verify(data, params); err != nil {
				t.Errorf("%s %q: %v\n%s", name, v, err, data)
			}
		}
	}
}

// What a format can't carry is refused; the rest is not.
func TestFormatsRefuseWhatTheyCanNotCarry(t *testing.T) {
	f := formats(t)
	for _, tt := range []struct {
		format, value string
		ok            bool
	}{
		{"ini", "a\nb", false}, {"ini", "a\rb", false}, {"ini", " a", false}, {"ini", "a\tb", false}, {"ini", "a=b#c", true},
		{"quoted", " a ", true}, {"quoted", "a\nb", true}, {"quoted", "a\rb", false},
		{"set", `a"b`, false}, {"set", "a'b", true},
		{"flat", "a\nb\tc\rd", true}, {"flat", "\x00", false}, {"flat", "a\x1bb", false}, {"flat", "\xc3", false}, {"flat", "\ufffd", true},
	} {
		if err := f[tt.format].CheckValue(tt.value); (err == nil) != tt.ok {
			t.Errorf("%s %q: %v", tt.format, tt.value, err)
		}
	}
}

func TestBytesOfEveryFormat(t *testing.T) {
	f := formats(t)
	for _, tt := range []struct {
		format string
		params []Param
		want   string
	}{
		{"ini", []Param{{"a.1", "x = #y"}, {"b", ""}}, "#!version:1.0.0.1\na.1 = x = #y\nb = %NULL%\n"},
		{"colon", []Param{{"a b"[:1], "x: y"}}, "a: x: y\r\n# end\r\n"},
		{"quoted", []Param{{"a", `x"\y`}}, "a=\"x\\\"\\\\y\"\r\n"},
		{"set", []Param{{"A", "x y"}}, "SET A \"x y\"\n"},
		{"flat", []Param{{"User_ID_1_", "<&>"}, {"Empty", ""}}, xml.Header + "<flat-profile>\n <User_ID_1_>&lt;&amp;&gt;</User_ID_1_>\n <Empty/>\n</flat-profile>\n"},
		{"attribute", []Param{{"reg.1.label", `"x"`}, {"b", "2"}}, xml.Header + "<CONFIG>\n <ALL reg.1.label=\"&quot;x&quot;\" b=\"2\"/>\n</CONFIG>\n"},
		{"item", []Param{{"account.1.name", "x"}}, xml.Header + "<gs version=\"1\">\n <config version=\"2\">\n  <item name=\"account.1.name\">x</item>\n </config>\n</gs>\n"},
		{"index", []Param{{"user_name[1]", "x"}, {"keys/fkey[0]/@context", "active"}, {"keys/fkey[0]", "blf 1"}},
			xml.Header + "<settings>\n <phone e=\"2\">\n  <user_name idx=\"1\" perm=\"R\">x</user_name>\n </phone>\n <keys>\n  <fkey idx=\"0\" context=\"active\">blf 1</fkey>\n </keys>\n</settings>\n"},
		{"pair", []Param{{"X_Host", "h"}}, xml.Header + "<ParameterList>\n <O>\n  <N>X_Host</N>\n  <V>&quot;h&quot;</V>\n </O>\n</ParameterList>\n"},
	} {
		got, err := f[tt.format].Write(tt.params)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.format, err, got, tt.want)
		}
	}
}

func TestNamesThatAFormatCanWrite(t *testing.T) {
	f := formats(t)
	for _, tt := range []struct {
		format, name string
		ok           bool
	}{
		{"ini", "account.1.label", true}, {"ini", "a b", false}, {"ini", "", false}, {"ini", "#x", false}, {"ini", "a\nb", false}, {"ini", "a=b", false},
		{"ini", strings.Repeat("a", 201), false},
		{"flat", "P271", true}, {"flat", "1P", false}, {"flat", "a b", false}, {"flat", "a><b", false}, {"flat", "a/b", true}, {"flat", "a/", false},
		{"flat", "a/@b", true}, {"flat", "@a/b", false}, {"flat", "a[@b=c]", true}, {"flat", "a[b", false}, {"flat", "a[b]", false}, {"flat", "a[#2]/b", true},
		{"item", "a.b", true}, {"item", "a[0].b[%]", false}, {"kept", "a[0].b[%]", true}, {"kept", "a[0].b[1].c", true}, {"kept", "a'b", false},
		{"flat", "a[@b='c[1]']/d", true}, {"flat", "a[@b='c]/d", false}, {"flat", "a[@b=c'd]", false}, {"attribute", "a b", false},
	} {
		if err := f[tt.format].CheckName(tt.name); (err == nil) != tt.ok {
			t.Errorf("%s %q: %v", tt.format, tt.name, err)
		}
	}
}

// An operator's parameter replaces the template's in its place; a new one comes last; duplicates are errors.
func TestOperatorsParameterReplacesTheTemplates(t *testing.T) {
	f := formats(t)["index"]
	params := []Param{{"a", "1"}, {"user[1]", "2"}}
	settings := []Param{{"c", "3"}}
	got, err := f.Merge(params, settings, map[string]string{"phone[@e=2]/user[@idx=1][@perm=R]": "two", "z": "9", "d": "4"}, true)
	want := []Param{{"a", "1"}, {"user[1]", "two"}, {"c", "3"}, {"d", "4"}, {"z", "9"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	if got, _ = f.Merge(params, nil, map[string]string{"z": "9"}, false); !slices.Equal(got, params) {
		t.Errorf("%v was added to a file that takes no more", got)
	}
	if _, err = f.Merge(params, []Param{{"a", "5"}}, nil, true); err == nil || !strings.Contains(err.Error(), "duplicate parameter a") {
		t.Errorf("twice: %v", err)
	}
	if _, err = f.Merge(params, nil, map[string]string{"a b": "5"}, true); err == nil {
		t.Error("a name with a space was taken")
	}
	if params[1].Value != "2" {
		t.Error("the caller's parameters were changed")
	}
	ini := formats(t)["ini"]
	ini.Repeat = []string{"r"}
	got, err = ini.Merge([]Param{{"r", "1"}, {"b", "2"}, {"r", "3"}}, nil, map[string]string{"r": "x"}, true)
	if want := []Param{{"r", "x"}, {"b", "2"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("repeated: %v %v, want %v", got, err, want)
	}
}

func TestInvalidFormatsAreRejected(t *testing.T) {
	for _, tt := range []struct {
		f    Format
		want string
	}{
		{Format{Kind: "csv"}, `kind "csv" must be one of lines, tree`},
		{Format{Kind: "lines", Line: "{name}"}, "must hold {name}"},
		{Format{Kind: "lines", Newline: "cr"}, "neither lf nor crlf"},
		{Format{Kind: "lines", Root: "x"}, "belong to kind tree"},
		{Format{Kind: "lines", Escape: map[string]string{"ab": "c"}}, "not one character"},
		{Format{Kind: "lines", Bool: []string{"yes"}}, "two words"},
		{Format{Kind: "lines", Value: "x"}, "must hold {value} once"},
		{Format{Kind: "tree"}, `root "" is not`},
		{Format{Kind: "tree", Root: "a b"}, `root "a b" is not`},
		{Format{Kind: "tree", Root: "a", Path: "x"}, "must hold {name} once"},
		{Format{Kind: "tree", Root: "a", Path: "x//{name}"}, "not a path"},
		{Format{Kind: "tree", Root: "a", Header: []string{"x"}}, "belong to kind lines"},
	} {
		if err := tt.f.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.f, err, tt.want)
		}
	}
}

// Any text at all, in any format: it reads back or is refused.
func TestAnyValueReadsBackOrIsRefused(t *testing.T) {
	all := formats(t)
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.String().Draw(rt, "value")
		for name, f := range all {
			params := []Param{{"a", v}, {"b", "2"}}
			data, err := f.Write(params)
			if err != nil {
				continue
			}
			if err := f.Verify(data, params); err != nil {
				rt.Fatalf("%s: %v\n%s", name, err, data)
			}
		}
	})
}

func TestOnlyWellFormedXMLIsAccepted(t *testing.T) {
	for s, ok := range map[string]bool{"<a/>": true, "<a></b>": false, "<a/><b/>": false, "": false, `<a x="1" x="2"/>`: false, "<a>&nope;</a>": false} {
		if err := wellFormed([]byte(s)); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParseLines(f *testing.F) {
	f.Add("#!version:1.0.0.1\na = b\n")
	f.Add("")
	format := formats(f)["ini"]
	f.Fuzz(func(t *testing.T, s string) {
		params, err := format.ParseLines([]byte(s))
		if err != nil {
			return
		}
		data, err := format.Write(params)
		if err != nil {
			return
		}
		again, err := format.ParseLines(data)
		if err != nil || !slices.Equal(params, again) {
			t.Errorf("%q reads back as %q: %v", params, again, err)
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add("sip/line[@index=1]/@x")
	f.Add("p[x=\xaf]/n")
	f.Add("p[@x=\x01]/n")
	f.Add("A[@x=][@x=]")
	f.Add("A[@x=1]/@x")
	f.Add("A[x=1][x=2]/x")
	format := formats(f)["flat"]
	f.Fuzz(func(t *testing.T, s string) {
		if format.CheckName(s) != nil {
			return
		}
		params := []Param{{s, "v"}}
		data, err := format.Write(params)
		if err != nil {
			return
		}
		if err := wellFormed(data); err != nil {
			t.Errorf("%q: %v\n%s", s, err, data)
		}
	})
}
