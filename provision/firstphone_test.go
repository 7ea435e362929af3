package provision_test

import (
	"net/netip"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/vendors"
)

// The first phone of the README: the built-in pack, a record as the command line makes it, DHCP's options, and its file.
func TestFirstPhoneOfTheReadmeGetsItsOptionsAndFile(t *testing.T) {
	h := newFixture(t)
	var err error
	if h.packs, err = pack.Load(pack.Config{Builtin: vendors.FS}); err != nil {
		t.Fatal(err)
	}
	key, err := fleet.ParseKey("2=blf:1002,label=Bob")
	if err != nil {
		t.Fatal(err)
	}
	phone := mac("0015.6500.0042")
	edit(t, h.records, func(e fleet.Edit) error {
		d := &fleet.Device{MAC: phone, Model: "yealink/T46U", Label: "Front Desk Phone", Enabled: true, Lines: []fleet.Line{{Extension: "1001"}}, Keys: []fleet.Key{key}}
		if err := resolve.CheckDevice(e, h.packs, d); err != nil {
			return err
		}
		return e.PutDevice(d)
	})
	h.leases.Lease("10.20.1.42", phone, voice, noon)
	a := h.PolicyFor(dhcp.Client{MAC: phone, VendorClass: "yealink"}, adviceSite(h))
	if a.Vendor != "yealink" || a.Model != "T46U" || len(a.Options) == 0 || a.Options[0].Code != 66 || string(a.Options[0].Data) != "http://10.20.0.2/" {
		t.Errorf("advice %+v", a)
	}
	contains(t, h.served(h.get("001565000042.cfg", "10.20.1.42")), "account.1.password = s3cret&<>", "linekey.2.value = 1002", "linekey.2.label = Bob")
	h.served(h.get("y000000000108.cfg", "10.20.1.42"))
	if a := h.send(provision.Request{Transport: fleet.TFTP, Name: "001565000042.cfg", From: netip.MustParseAddr("10.20.1.43")}); a.Outcome != provision.Refused {
		t.Errorf("to another address: %s", a.Outcome)
	}
	if a := h.get("001565000042.boot", "10.20.1.42"); a.Outcome != provision.Expected404 {
		t.Errorf("the boot file: %s", a.Outcome)
	}
}
