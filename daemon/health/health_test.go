package health

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/daemon/observe"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/server"
	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
)

var (
	noon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	subnet = netip.MustParsePrefix("10.20.0.0/22")
)

func TestNoWarningsWhenNothingIsWrong(t *testing.T) {
	s := State{
		Now: noon, Pools: []leasetable.Stats{{Subnet: subnet, Pool: 100, Free: 10}, {Subnet: subnet}}, Interfaces: []string{"voice0"}, Link: func(string) string { return "" },
		Subnets:      []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: subnet, Phones: dhcp.PhonesProvision, NextServer: netip.MustParseAddr("10.20.0.2"), ProvisioningURL: "https://pbx.example.com/"}}},
		OtherServer:  &observe.OtherServer{Offer: server.Offer{Server: netip.MustParseAddr("10.20.0.66")}, Time: noon.Add(-25 * time.Hour)},
		Relays:       []observe.Relay{{Addr: netip.MustParseAddr("10.20.0.9"), Time: noon}},
		Certificates: []Certificate{{"https", "https", nil}, {"admin", "admin", &x509.Certificate{NotAfter: noon.AddDate(0, 1, 0)}}},
	}
	if got := Warnings(s); len(got) != 0 {
		t.Errorf("warnings %q", got)
	}
}

func TestEachConditionHasItsWarning(t *testing.T) {
	mac := provisiontest.MAC("00:15:65:00:00:01")
	s := State{
		Now: noon, Interfaces: []string{"voice0", "voice1"}, Link: func(name string) string {
			if name == "voice1" {
				return "is down"
			}
			return ""
		},
		Pools: []leasetable.Stats{{Subnet: subnet, Pool: 100}, {Subnet: netip.MustParsePrefix("10.30.0.0/24"), Pool: 100, Free: 9},
			{Subnet: netip.MustParsePrefix("10.40.0.0/24"), Pool: 100, Free: 40}, {Subnet: netip.MustParsePrefix("10.50.0.0/24"), Pool: 100, Free: 90}},
		FullIn:       func(s leasetable.Stats) (int, bool) { return s.Free / 4, true }, // 10.50.0.0/24 is far from full
		FailedReload: errors.New("plugtone.yaml:3:5: no such key\nplugtone.yaml:4:1: another"), FailedAt: noon.Add(-time.Minute),
		Missing:        []Missing{{"acme", []string{"00:15:65:00:00:01 (Front Desk)", "00:15:65:00:00:02"}, 9}},
		OtherServer:    &observe.OtherServer{Offer: server.Offer{Server: netip.MustParseAddr("10.20.0.66"), MAC: mac, Interface: "voice0"}, Time: noon.Add(-time.Hour)},
		Relays:         []observe.Relay{{Addr: netip.MustParseAddr("10.31.0.1"), Time: noon}},
		Subnets:        []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: subnet, Phones: dhcp.PhonesProvision, NextServer: netip.MustParseAddr("10.20.0.2"), ProvisioningURL: "https://10.20.0.2/"}}},
		Off:            []string{"https"},
		Contradictions: []observe.Contradiction{{MAC: mac, Vendor: "polycom", Recognised: "yealink", Time: noon}},
		Certificates: []Certificate{{"https", "https web.pem", &x509.Certificate{NotAfter: noon.AddDate(0, 0, 12)}}, {"admin", "admin api.pem", &x509.Certificate{NotAfter: noon.AddDate(0, 0, -1)}},
			{"https", "https new.pem", &x509.Certificate{NotBefore: noon.AddDate(0, 0, 1), NotAfter: noon.AddDate(1, 0, 0)}}},
		Handshakes: []observe.Failure{{}, {Time: noon, From: netip.MustParseAddr("10.20.1.7"), Reason: "the client does not trust the authority of the server's certificate"}},
	}
	want := []string{
		"interface voice1 is down: no phone there is served",
		"subnet 10.20.0.0/22 has no free address: all 100 of its pools are leased, offered or declined; widen pools, or shorten other_lease_time",
		"subnet 10.30.0.0/24 has 9 free addresses of 100; widen pools, or shorten other_lease_time",
		"subnet 10.40.0.0/24 is full in about 10 days if its use grows as in the last two weeks: 40 of 100 addresses are free; widen pools, or shorten other_lease_time",
		"the reload at 2026-11-22T11:59:00Z was refused, and the configuration from before stays in force: plugtone.yaml:3:5: no such key; plugtone check has all problems",
		`there is no vendor pack "acme", the vendor of 9 devices, 00:15:65:00:00:01 (Front Desk), 00:15:65:00:00:02 and 7 more: their files are answered with 503; put the pack back into provisioning.vendor_dirs and reload, or change the records`,
		"another DHCP server answers on voice0: 10.20.0.66 (00:15:65:00:00:01), last at 2026-11-22T11:00:00Z; turn it off there, or set dhcp.mode: inform",
		"relay 10.31.0.1 is in no configured subnet, and its clients are not answered, last at 2026-11-22T12:00:00Z; add its subnet to dhcp.subnets, or the relay to relays of one",
		"phones of subnet 10.20.0.0/22 are sent to https://10.20.0.2/, but https is switched off on this server: set https.enabled: true, or change provisioning_url",
		"the vendor of a record contradicts what the phone's own messages name: 00:15:65:00:00:01 (recorded as polycom, recognised as yealink); correct the records with plugtone device set MAC --model VENDOR/MODEL",
		"the certificate of https web.pem ends at 2026-12-04T12:00:00Z, in 12 days: renew it",
		"the certificate of admin api.pem ended at 2026-11-21T12:00:00Z: clients that check it are not served",
		"the certificate of https new.pem is valid from 2026-11-23T12:00:00Z only: look at it and at this host's clock",
		"2 TLS handshakes of phones failed within the last hour, the last at 2026-11-22T12:00:00Z from 10.20.1.7: the client does not trust the authority of the server's certificate",
	}
	if diff := cmp.Diff(want, Warnings(s)); diff != "" {
		t.Error(diff)
	}
}

func TestLinkStateIsReadFromTheHost(t *testing.T) {
	if got := LinkFault("lo"); got != "" && got != "is down" {
		t.Errorf("lo %s", got)
	}
	if got := LinkFault("nowhere0"); got != "does not exist" {
		t.Errorf("nowhere0 %q", got)
	}
}

// Phones are compared with the current records: one whose record was corrected or removed is not reported.
func TestContradictionsOfCorrectedRecordsAreNotReported(t *testing.T) {
	records := provisiontest.Office(t)
	seen := []observe.Contradiction{{MAC: provisiontest.FrontDesk, Vendor: "old", Recognised: "bolt"}, {MAC: provisiontest.MAC("00:15:65:77:77:77"), Recognised: "bolt"}}
	if got := Contradicting(records, seen); len(got) != 1 || got[0].Vendor != "acme" {
		t.Errorf("got %+v", got)
	}
	seen[0].Recognised = "acme"
	if got := Contradicting(records, seen); len(got) != 0 {
		t.Errorf("after the record was corrected: %+v", got)
	}
}

func TestDevicesWithoutPackAreFoundWhenRecordsChange(t *testing.T) {
	records := provisiontest.Office(t)
	u := &PackUse{Records: records}
	packs := provisiontest.Packs(t)
	if got := u.Missing(packs); len(got) != 0 {
		t.Fatalf("all packs are there: %+v", got)
	}
	provisiontest.Edit(t, records, func(e fleet.Edit) error {
		for i := range byte(7) {
			if err := e.PutDevice(&fleet.Device{MAC: dhcp.MAC{2, 0, 0, 0, 0, i}, Vendor: "gone", Label: "Hall", Enabled: true}); err != nil {
				return err
			}
		}
		return nil
	})
	got := u.Missing(packs)
	if len(got) != 1 || got[0].Count != 7 || !strings.HasPrefix(got[0].String(), "7 devices, 02:00:00:00:00:00 (Hall), ") || !strings.HasSuffix(got[0].String(), " and 2 more") {
		t.Errorf("got %+v", got)
	}
}

func TestCertificateEndsAreMetrics(t *testing.T) {
	c := NewCertificateEnds(func() []Certificate {
		return []Certificate{{"own_authority", "the own authority of https", &x509.Certificate{NotAfter: noon}}, {"https", "https web.pem", nil}}
	})
	want := fmt.Sprintf("# HELP plugtone_certificate_expiry_timestamp_seconds When a certificate ends: own_authority and https are for phones, admin is for the API.\n"+
		"# TYPE plugtone_certificate_expiry_timestamp_seconds gauge\nplugtone_certificate_expiry_timestamp_seconds{certificate=\"own_authority\"} %v\n", float64(noon.Unix()))
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestAWrongClockIsWarnedOf(t *testing.T) {
	out := Warnings(State{Now: noon, ClockWrong: true})
	if len(out) != 1 || !strings.Contains(out[0], "the clock shows 2026-11-22T12:00:00Z, which differs from the time at which leases were written") {
		t.Errorf("%q", out)
	}
}
