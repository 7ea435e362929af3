package trust

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
)

var (
	testNow   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	macA      = dhcp.MAC{0x00, 0x15, 0x65, 0, 0, 0x0a}
	macB      = dhcp.MAC{0x00, 0x15, 0x65, 0, 0, 0x0b}
	macA2     = dhcp.MAC{0x00, 0x15, 0x65, 0, 0, 0xa2} // A's second
	addrA     = netip.MustParseAddr("10.20.1.7")
	elsewhere = netip.MustParseAddr("192.0.2.9")
)

func leaseOf(mac dhcp.MAC) *dhcp.Lease {
	return &dhcp.Lease{Addr: addrA, MAC: mac, State: dhcp.LeaseActive, Expires: testNow.Add(time.Hour)}
}

// requestOfA is the evidence of phone A that requests its own file from its leased address.
func requestOfA() Evidence {
	return Evidence{Time: testNow, From: addrA, Place: Place{Leased: true, Subnet: netip.MustParsePrefix("10.20.0.0/22"), Proofs: []Proof{ProofLease}}, Lease: leaseOf(macA), LeaseMACs: []dhcp.MAC{macA}, FilenameMAC: macA}
}

var authorizeTests = []struct {
	name   string
	change func(*Evidence)
	proof  Proof // "" when refused
	mac    dhcp.MAC
	reason string
	contra bool
}{
	{name: "own lease", proof: ProofLease, mac: macA, reason: "10.20.1.7 is leased to 00:15:65:00:00:0a"},
	{name: "no MAC in the name", change: func(e *Evidence) { e.FilenameMAC = dhcp.MAC{} }, proof: ProofLease, mac: macA},
	{name: "user agent agrees", change: func(e *Evidence) { e.UserAgentMAC = macA }, proof: ProofLease, mac: macA},
	{name: "other MAC in the name", change: func(e *Evidence) { e.FilenameMAC, e.LeaseMACs = macA2, []dhcp.MAC{macA, macA2} }, proof: ProofLease, mac: macA},
	{name: "other MAC in the user agent", change: func(e *Evidence) { e.UserAgentMAC, e.LeaseMACs = macA2, []dhcp.MAC{macA, macA2} }, proof: ProofLease, mac: macA},
	{name: "lease of the other MAC", change: func(e *Evidence) { e.Lease, e.LeaseMACs = leaseOf(macA2), []dhcp.MAC{macA, macA2} }, proof: ProofLease, mac: macA2},

	{name: "another's file", change: func(e *Evidence) { e.FilenameMAC = macB }, reason: "is leased to 00:15:65:00:00:0a, but the file is 00:15:65:00:00:0b's", contra: true},
	{name: "another's file where all is open", change: func(e *Evidence) { e.FilenameMAC, e.Place.Proofs = macB, []Proof{ProofOpen, ProofLease} }, reason: "is leased to", contra: true},
	{name: "another's user agent", change: func(e *Evidence) { e.UserAgentMAC = macB }, reason: "but the user agent has 00:15:65:00:00:0b", contra: true},
	{name: "name against user agent, no lease", change: func(e *Evidence) {
		e.Lease, e.LeaseMACs, e.UserAgentMAC, e.Place.Proofs = nil, nil, macB, []Proof{ProofOpen}
	},
		reason: "the file is 00:15:65:00:00:0a's, but the user agent has 00:15:65:00:00:0b", contra: true},

	{name: "no lease", change: func(e *Evidence) { e.Lease, e.LeaseMACs = nil, nil }, reason: "no proof: 10.20.1.7 is not leased by us (subnet 10.20.0.0/22)"},
	{name: "expired", change: func(e *Evidence) { e.Lease.Expires = testNow }, reason: "ran out"},
	{name: "released", change: func(e *Evidence) { e.Lease.State = dhcp.LeaseReleased }, reason: "is released"},
	{name: "declined", change: func(e *Evidence) { e.Lease.State = dhcp.LeaseDeclined }, reason: "is declined"},
	{name: "a lease of another address", change: func(e *Evidence) { e.From = elsewhere }, reason: "not the requester's"},
	{name: "a lease without a holder", change: func(e *Evidence) { e.LeaseMACs = nil }, reason: "not the requester's"},
	{name: "lease in doubt", change: func(e *Evidence) { e.LeaseDoubt = "neither is proof" }, reason: "no proof: neither is proof"},
	{name: "lease in doubt, but the right password", change: func(e *Evidence) {
		e.LeaseDoubt, e.LoggedIn, e.Place.Proofs = "neither is proof", []dhcp.MAC{macA}, []Proof{ProofLease, ProofCredentials}
	}, proof: ProofCredentials, mac: macA},
	{name: "lease and the right password", change: func(e *Evidence) {
		e.LoggedIn, e.Place.Proofs = []dhcp.MAC{macA}, []Proof{ProofLease, ProofCredentials}
	}, proof: ProofCredentials, mac: macA, reason: "the user and password are those of"},
	{name: "lease does not count here", change: func(e *Evidence) { e.Place.Proofs = []Proof{ProofCredentials} }, reason: "a lease does not count in subnet 10.20.0.0/22"},
	{name: "nothing counts here", change: func(e *Evidence) { e.Place.Proofs = nil }, reason: "does not count"},

	{name: "reserved address", change: func(e *Evidence) {
		e.Lease, e.LeaseMACs, e.Reserved, e.Place.Proofs = nil, nil, []dhcp.MAC{macA, macA2}, []Proof{ProofAddress}
	}, proof: ProofAddress, mac: macA},
	{name: "reserved address, other MAC", change: func(e *Evidence) {
		e.Lease, e.LeaseMACs, e.Reserved, e.Place.Proofs, e.FilenameMAC = nil, nil, []dhcp.MAC{macA, macA2}, []Proof{ProofAddress}, macA2
	}, proof: ProofAddress, mac: macA},
	{name: "reserved for another", change: func(e *Evidence) {
		e.Lease, e.LeaseMACs, e.Reserved, e.Place.Proofs = nil, nil, []dhcp.MAC{macB}, []Proof{ProofAddress}
	}, reason: "is reserved for 00:15:65:00:00:0b", contra: true},
	{name: "reserved address does not count", change: func(e *Evidence) { e.Lease, e.LeaseMACs, e.Reserved = nil, nil, []dhcp.MAC{macA} }, reason: "no proof"},
	{name: "open", change: func(e *Evidence) { e.Lease, e.LeaseMACs, e.Place.Proofs = nil, nil, []Proof{ProofOpen} }, proof: ProofOpen, mac: macA, reason: "is open"},
	{name: "open without a name", change: func(e *Evidence) {
		e.Lease, e.LeaseMACs, e.Place.Proofs, e.FilenameMAC = nil, nil, []Proof{ProofOpen}, dhcp.MAC{}
	}, reason: "no proof"},
	{name: "preview", change: func(e *Evidence) { *e = Evidence{Preview: macB, FilenameMAC: macA} }, proof: ProofPreview, mac: macB},
	{name: "nothing known", change: func(e *Evidence) { *e = Evidence{} }, reason: "no proof"},
}

func TestProofIsForTheRequestersOwnPhone(t *testing.T) {
	for _, tt := range authorizeTests {
		t.Run(tt.name, func(t *testing.T) {
			e := requestOfA()
			if tt.change != nil {
				tt.change(&e)
			}
			v := Authorize(e)
			if v.Proven != (tt.proof != "") || v.Proof != tt.proof || v.MAC != tt.mac || v.Contradiction != tt.contra {
				t.Errorf("verdict %+v, want proof %q of %s, contradiction %v", v, tt.proof, tt.mac, tt.contra)
			}
			if !strings.Contains(v.Reason, tt.reason) || v.Reason == "" {
				t.Errorf("reason %q, want %q", v.Reason, tt.reason)
			}
			if again := Authorize(e); again != v {
				t.Errorf("the same evidence gives %+v and then %+v", v, again)
			}
		})
	}
}

// With any evidence, a lease never proves anything about a phone that is not its holder's.
func TestLeaseProvesOnlyItsHolder(t *testing.T) {
	macs := []dhcp.MAC{{}, macA, macB, macA2}
	for _, named := range macs {
		for _, agent := range macs {
			for _, holder := range [][]dhcp.MAC{{macA}, {macA, macA2}, {macB}} {
				for _, trust := range [][]Proof{{ProofLease}, {ProofOpen, ProofLease}, {ProofAddress, ProofLease}} {
					e := requestOfA()
					e.FilenameMAC, e.UserAgentMAC, e.LeaseMACs, e.Place.Proofs, e.Lease = named, agent, holder, trust, leaseOf(holder[0])
					v := Authorize(e)
					own := func(m dhcp.MAC) bool { return m.IsZero() || m == holder[0] || len(holder) > 1 && m == holder[1] }
					if v.Proven != (own(named) && own(agent)) {
						t.Errorf("name %s, agent %s, holder %v, trust %v: %+v", named, agent, holder, trust, v)
					}
				}
			}
		}
	}
}
