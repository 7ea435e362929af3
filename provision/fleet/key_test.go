package fleet

import (
	"strings"
	"testing"
)

func TestParseKeyReadsEveryForm(t *testing.T) {
	tests := []struct {
		in   string
		want Key
		out  string // "" when it prints as it was
	}{
		{"2=blf:1002,label=Bob", Key{Area: "line", Slot: 2, Type: "blf", Value: "1002", Label: "Bob"}, ""},
		{"expansion1:5=park:701", Key{Area: "expansion1", Slot: 5, Type: "park", Value: "701"}, ""},
		{"line:2=dnd", Key{Area: "line", Slot: 2, Type: "dnd"}, "2=dnd"},
		{"3=blf:1002,line=2,label=Bob", Key{Area: "line", Slot: 3, Type: "blf", Value: "1002", Label: "Bob", Line: 2}, "3=blf:1002,label=Bob,line=2"},
		{"3=dtmf:1,2,3", Key{Area: "line", Slot: 3, Type: "dtmf", Value: "1,2,3"}, `3=dtmf:1\,2\,3`},
		{"3=url:http://x/?a=b:c", Key{Area: "line", Slot: 3, Type: "url", Value: "http://x/?a=b:c"}, ""},
		{`3=blf:1\,label=x`, Key{Area: "line", Slot: 3, Type: "blf", Value: "1,label=x"}, ""},
		{`3=blf:1,label=a\\b, c=d`, Key{Area: "line", Slot: 3, Type: "blf", Value: "1", Label: `a\b, c=d`}, `3=blf:1,label=a\\b\, c=d`},
		{"3=blf:1002@main", Key{Area: "line", Slot: 3, Type: "blf", Value: "1002@main"}, ""},
		{"5=", Key{Area: "line", Slot: 5}, ""},
		{"memory:5=", Key{Area: "memory", Slot: 5}, ""},
	}
	for _, tt := range tests {
		got, err := ParseKey(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s is %+v, %v; want %+v", tt.in, got, err, tt.want)
			continue
		}
		out := tt.out
		if out == "" {
			out = tt.in
		}
		if got.String() != out {
			t.Errorf("%s prints as %s, want %s", tt.in, got, out)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "[AREA:]SLOT=TYPE"},
		{"2", "[AREA:]SLOT=TYPE"},
		{"x=blf:1", "not a number from 1 to 999"},
		{"0=blf:1", "1 to 999"},
		{"1000=blf:1", "1 to 999"},
		{"+1=blf:1", "not a number"},
		{"01=blf:1", "not a number"},
		{"2=bfl:1", "near: blf"},
		{"2=blf", "needs a value"},
		{"2=speed_dial:", "needs a value"},
		{"expansion7:1=blf:1", "expansion1 to expansion6"},
		{"lines:1=blf:1", "near: line"},
		{"2=blf:1,line=x", "1 to 255"},
		{"2=blf:1,line=0", "1 to 255"},
		{"2=blf:1,line=1,line=2", "line is given twice"},
		{"2=blf:1,label=a,label=b", "label is given twice"},
		{"2=blf:1,label=a\nb", "line break"},
		{"2=blf:1,label=a\x01b", "control character U+0001"},
		{"2=blf:" + strings.Repeat("1", 256), "allowed are 255"},
		{"2=blf:1,label=" + strings.Repeat("x", 129), "allowed are 128"},
	}
	for _, tt := range tests {
		if k, err := ParseKey(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q is %+v, %v; want an error with %q", tt.in, k, err, tt.want)
		}
	}
}

func TestKeysAreSortedByAreaAndSlot(t *testing.T) {
	keys := []Key{{Area: "expansion2", Slot: 1}, {Area: "line", Slot: 10}, {Area: "expansion1", Slot: 3}, {Area: "line", Slot: 9}, {Area: "memory", Slot: 1}}
	SortKeys(keys)
	var got []string
	for _, k := range keys {
		got = append(got, k.String())
	}
	if s := strings.Join(got, " "); s != "9= 10= memory:1= expansion1:3= expansion2:1=" {
		t.Errorf("order %s", s)
	}
}

func TestKeyWithAnUnknownPart(t *testing.T) {
	for _, spec := range []string{"2=blf:1002,lable=Bob", "2=blf:1002,label=Bob,lin=3", "2=park:1,x=2"} {
		if k, err := ParseKey(spec); err == nil || !strings.Contains(err.Error(), "must be one of label= line= label_source= pickup_code= locked=") {
			t.Errorf("%s: %+v, %v", spec, k, err)
		}
	}
	for spec, value := range map[string]string{"2=url:http://h/?a=1,b=2": "http://h/?a=1,b=2", `2=blf:1002\,lable=Bob`: "1002,lable=Bob"} {
		if k, err := ParseKey(spec); err != nil || value != k.Value {
			t.Errorf("%s: %+v, %v", spec, k, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"2=blf:1002,label=Bob", "expansion1:5=park:701", `3=dtmf:1\,2,line=3,label=\\`, "5=", "1=url:http://a,b", "7=blf:1,label=,line=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err != nil {
			return
		}
		again, err := ParseKey(k.String())
		if err != nil || again != k {
			t.Errorf("%q is %+v, prints as %q, reads as %+v, %v", s, k, k, again, err)
		}
	})
}
