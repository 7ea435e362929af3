package pack_test

import (
	"strings"
	"testing"

	. "plugtone/provision/pack"
	"plugtone/provision/provisiontest"
)

func TestFindModelByAnyOfItsNames(t *testing.T) {
	s := acmeSet(t)
	for _, tt := range []struct{ vendor, model, want string }{
		{"", "a_2", "acme/A-2"}, {"", "Acme2", "acme/A-2"}, {"acme", "A1", "acme/A1"}, {"", "acmecorp/a1", "acme/A1"}, {"acme", "acmecorp/A1", "acme/A1"}, {"", "O1", "other/O1"},
		{"", "A1", "error: one of acme/A1, other/A1: write which"}, {"acme", "A9", "error: is not a model of acme, nearest are A1, A3"}, {"acm", "A1", `error: vendor "acm" is not known, nearest are acme`},
		{"", "A-22", "error: nearest are acme/A-2"}, {"other", "acme/A1", "error: not of vendor other"}, {"", "zzzzzz", "error: is not known"},
	} {
		v, m, err := s.FindModel(tt.vendor, tt.model)
		if want, bad := strings.CutPrefix(tt.want, "error: "); bad {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %v, want %s", tt.vendor, tt.model, err, want)
			}
			continue
		}
		if err != nil || v.ID+"/"+m.Name != tt.want {
			t.Errorf("%s %s: %v", tt.vendor, tt.model, err)
		}
	}
}

// TestUnknownModelOfAVendorWithManyNamesWhereTheyAre: none is like it, and they are too many to be listed.
func TestUnknownModelOfAVendorWithManyNamesWhereTheyAre(t *testing.T) {
	s, err := Load(provisiontest.Vendors(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.FindModel("yealink", "zzzzzz"); err == nil || !strings.Contains(err.Error(), "is not a model of yealink; plugtone vendor show yealink has its models") {
		t.Error(err)
	}
}

func TestDescribeCountsKeysAndModules(t *testing.T) {
	d := acmeVendor(t).Describe()
	if len(d.Models) != 3 || d.Models[0].Expansion != "2 x X1, 3 keys each" || d.Resync != "NOTIFY check-sync;reboot=false" {
		t.Errorf("%+v", d)
	}
	if len(d.Unconfirmed) != 3 || d.Unconfirmed[0] != (Fact{"beeps twice", "Acme manual 3.1", "low"}) {
		t.Errorf("unconfirmed: %+v", d.Unconfirmed)
	}
	if got := strings.Join(d.Settings, " "); got != "admin_password codecs language lldp ntp_servers recheck_interval srtp time_zone" {
		t.Error(got)
	}
	if d.DHCP[0] != "66 {url}{number}, forced, for big" {
		t.Error(d.DHCP)
	}
}
