package provision_test

import (
	"net/netip"
	"testing"

	"plugtone/provision"
	"plugtone/provision/fleet"
)

// A device whose vendor has no pack is answered with an internal error, not with 404, which might make it discard the configuration
// that it has. A requester without proof gets the answer of an unknown phone.
func TestMissingPackIsAnInternalErrorNotNotFound(t *testing.T) {
	h := newFixture(t)
	edit(t, h.records, func(e fleet.Edit) error {
		d, err := e.Device(front)
		if err == nil {
			d.Vendor, d.Model = "gone", "G1"
			err = e.PutDevice(d)
		}
		return err
	})
	h.write("logo.bin", "a picture")
	send := func(transport fleet.Transport, method, name, from string) provision.Answer {
		return h.send(provision.Request{Transport: transport, Method: method, Name: name, From: netip.MustParseAddr(from)})
	}
	for _, name := range []string{"001565123456.cfg", "gone-001565123456.xml", "common004.cfg"} {
		for _, transport := range []fleet.Transport{fleet.HTTP, fleet.TFTP} {
			if a := send(transport, "GET", name, "10.20.1.7"); a.Outcome != provision.InternalError || a.Status != 503 || a.Reason != `internal error: there is no vendor pack "gone"` {
				t.Errorf("%s over %s: %s %d, %s", name, transport, a.Outcome, a.Status, a.Reason)
			}
		}
	}
	if a := send(fleet.HTTP, "PUT", "001565123456-local.cfg", "10.20.1.7"); a.Outcome != provision.InternalError {
		t.Errorf("an upload: %s", a.Outcome)
	}
	if got := h.served(send(fleet.HTTP, "GET", "logo.bin", "10.20.1.7")); got != "a picture" {
		t.Errorf("a file of the folder: %q", got)
	}
	known, unknown := send(fleet.HTTP, "GET", "001565123456.cfg", "192.0.2.9"), send(fleet.HTTP, "GET", "001565999999.cfg", "192.0.2.9")
	if known.Outcome != provision.Refused || known.Status != unknown.Status || known.Challenge == "" != (unknown.Challenge == "") {
		t.Errorf("without proof: %s %d, of an unknown phone %s %d", known.Outcome, known.Status, unknown.Outcome, unknown.Status)
	}
}

// A user agent of another vendor than the record's is in the answer, and so in the timeline; one of the same vendor is not.
func TestUserAgentOfAnotherVendorIsReported(t *testing.T) {
	h := newFixture(t)
	for agent, want := range map[string]string{"Bolt/1.0": "bolt", "Acme A4 1.0 00:15:65:12:34:56": "", "curl/8": ""} {
		a := h.send(provision.Request{Transport: fleet.HTTP, Method: "GET", Name: "001565123456.cfg", From: netip.MustParseAddr("10.20.1.7"), UserAgent: agent})
		if a.Outcome != provision.Served || a.Recognised != want {
			t.Errorf("%s: %s, recognised as %q, want %q", agent, a.Outcome, a.Recognised, want)
		}
	}
}
