package provision_test

import (
	"testing"

	"plugtone/provision"
)

// TFTP rules F12 and F13: the server passes names on as they are, and this package accepts slashes, backslashes and case as phones
// send them, and separators within a MAC.
func TestF12F13NamesAreAcceptedAsPhonesSendThem(t *testing.T) {
	h := newFixture(t)
	want := h.served(h.get("001565123456.cfg", "10.20.1.7"))
	h.write("Communicator/x.xml", "cipc")
	for _, name := range []string{"/001565123456.cfg", "//001565123456.cfg", `\001565123456.cfg`, "./001565123456.cfg", "001565123456.CFG", "00-15-65-12-34-56.cfg", "00:15:65:12:34:56.cfg"} {
		if a := h.get(name, "10.20.1.7"); a.Outcome != provision.Served || string(a.Body) != want {
			t.Errorf("%s: %s, %s", name, a.Outcome, a.Reason)
		}
	}
	if got := h.served(h.get(`Communicator\x.xml`, "10.20.1.7")); got != "cipc" {
		t.Errorf("with a backslash: %q", got)
	}
	for _, name := range []string{"001565 123456.cfg", "0015-6512-345.cfg", "001565123456.cfg.bak"} {
		if a := h.get(name, "10.20.1.7"); a.Outcome == provision.Served {
			t.Errorf("%q is served", name)
		}
	}
}
