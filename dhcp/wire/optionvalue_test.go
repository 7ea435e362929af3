package wire

import (
	"strings"
	"testing"
)

func TestOptionsAreReadByTheirType(t *testing.T) {
	for in, want := range map[string]string{
		"ip 10.20.0.1":             "\x0a\x14\x00\x01",
		"ips 10.20.0.1, 10.20.0.2": "\x0a\x14\x00\x01\x0a\x14\x00\x02",
		"text http://x/ y":         "http://x/ y",
		"hex 01:02 ff":             "\x01\x02\xff",
		"u8 255":                   "\xff",
		"u16 0x0102":               "\x01\x02",
		"u32 1":                    "\x00\x00\x00\x01",
		"bool true":                "\x01",
		"bool false":               "\x00",
	} {
		o, err := ParseOption(42, in)
		if err != nil || string(o.Data) != want || o.Code != 42 {
			t.Errorf("%q is % x (%v), want % x", in, o.Data, err, want)
		}
	}
	for in, word := range map[string]string{
		"10.20.0.1": "TYPE VALUE", "ip 10.20.0.300": "10.20.0.300", "ip ::1": "::1", "ip 10.20.0.1 10.20.0.2": "not an IPv4", "text": "TYPE VALUE", "u8 256": "256",
		"hex 1": "digits", "bool yes": "yes", "float 1": "must be one of ip, ips", `text "1.2.3.4"`: "quote", "text a\tb": "control", "": "TYPE",
	} { // C32
		if _, err := ParseOption(42, in); err == nil || !strings.Contains(err.Error(), word) || !strings.HasPrefix(err.Error(), "option 42: ") {
			t.Errorf("%q: error %v lacks %q", in, err, word)
		}
	}
	for _, code := range []uint8{66, 67, 114, 159, 160} { // C32
		for _, in := range []string{"text http://x/ y", "text “http://x/”", "text x\u00a0y"} {
			if _, err := ParseOption(code, in); err == nil {
				t.Errorf("option %d accepts %q", code, in)
			}
		}
		if _, err := ParseOption(code, "text http://x/$mac.cfg"); err != nil {
			t.Error(err)
		}
	}
	for _, code := range []uint8{0, 1, 50, 51, 53, 54, 82, 255} {
		if _, err := ParseOption(code, "u8 1"); err == nil {
			t.Errorf("option %d can be set", code)
		}
	}
}
