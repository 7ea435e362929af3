package engine_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// distrusted is a running table whose leases are lost, except those of d.
func distrusted(t *testing.T, authoritative bool, d *dhcptest.Disk) *dhcptest.TableFixture {
	t.Helper()
	cfg := dhcptest.ConfigOf(dhcptest.Voice(), dhcptest.Relayed())
	cfg.Authoritative = authoritative
	b := dhcptest.NewTableFixture(t, cfg, d, time.Now)
	b.Distrust(time.Now().Add(dhcptest.DefaultLease), "the lease file is missing")
	return b
}

// claims are the REQUESTs of client n for an address that it has or remembers, and SELECTING after a restart of the server.
func claims(n int, a netip.Addr) map[string]func(*dhcptest.TableFixture) *dhcp.Request {
	return map[string]func(*dhcptest.TableFixture) *dhcp.Request{
		"INIT-REBOOT": func(*dhcptest.TableFixture) *dhcp.Request { return dhcptest.InitReboot(n, a, dhcptest.AsPhone) },
		"REBINDING":   func(*dhcptest.TableFixture) *dhcp.Request { return dhcptest.Renew(n, a, dhcptest.AsPhone) },
		"RENEWING": func(b *dhcptest.TableFixture) *dhcp.Request {
			b.Link.Source, b.Link.Dest = netip.AddrPortFrom(a, 68), dhcptest.Addr("10.20.0.2")
			return dhcptest.Renew(n, a, dhcptest.AsPhone)
		},
		"SELECTING": func(*dhcptest.TableFixture) *dhcp.Request { return dhcptest.Selecting(n, a, dhcptest.AsPhone) },
	}
}

// forEachClaim runs f in a bubble for each kind of claim of client 1 for 10.20.0.104, on authoritative servers and others.
func forEachClaim(t *testing.T, f func(t *testing.T, b *dhcptest.TableFixture, req *dhcp.Request)) {
	for name, claim := range claims(1, dhcptest.Addr("10.20.0.104")) {
		for server, authoritative := range map[string]bool{"at an authoritative server": true, "at another server": false} {
			t.Run(name+" "+server, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := distrusted(t, authoritative, dhcptest.NewDisk())
					f(t, b, claim(b))
				})
			})
		}
	}
}

// Where leases may be missing, a client that claims an address without a known lease gets it when no host answers a probe, or the
// client itself does.
func TestDistrustProbesClaimedAddress(t *testing.T) {
	forEachClaim(t, func(t *testing.T, b *dhcptest.TableFixture, req *dhcp.Request) {
		d := b.Want(dhcp.VerdictProbing, req)
		if d.Probe != dhcptest.Addr("10.20.0.104") || d.Hold != d.Probe || d.Reply != nil || len(d.Changes) > 0 {
			t.Errorf("%+v", d)
		}
		b.Probed(d.Probe, false)
		if d := b.Want(dhcp.VerdictAcked, req); d.Reply.YIAddr != dhcptest.Addr("10.20.0.104") {
			t.Errorf("acknowledged %s", d.Reply.YIAddr)
		}
	})
}

// When another host answers, the client is refused, whether the server is authoritative or not.
func TestDistrustRefusesAddressOfAnotherHost(t *testing.T) {
	forEachClaim(t, func(t *testing.T, b *dhcptest.TableFixture, req *dhcp.Request) {
		b.Probed(b.Want(dhcp.VerdictProbing, req).Probe, true)
		b.Link.ProbeAnswered = true
		if d := b.Want(dhcp.VerdictNak, req); d.Reply.Type != dhcp.MessageTypeNak {
			t.Errorf("%+v", d.Reply)
		}
	})
}

// A claim that can't be probed, or whose probe failed, is not answered.
func TestDistrustGrantsNothingWithoutAProbe(t *testing.T) {
	forEachClaim(t, func(t *testing.T, b *dhcptest.TableFixture, req *dhcp.Request) {
		b.Link.NoProbe = true
		for failed, want := range map[bool]dhcp.Verdict{false: dhcp.VerdictSilent, true: dhcp.VerdictInternalError} {
			b.Link.ProbeFailed = failed
			if d := b.Want(want, req); d.Reply != nil || len(d.Changes) > 0 {
				t.Errorf("failed %v: %+v", failed, d)
			}
		}
	})
}

// A claim by the wrong client does not cost the client that holds the address its lease: neither while the probe runs, nor when it has
// found that client.
func TestDistrustKeepsTheHolderOfAClaimedAddress(t *testing.T) {
	for _, authoritative := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := distrusted(t, authoritative, dhcptest.NewDisk())
			a := b.Want(dhcp.VerdictProbing, dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.104"), dhcptest.AsPhone)).Probe
			b.Want(dhcp.VerdictSilent, dhcptest.Renew(2, a, dhcptest.AsPhone))
			b.Probed(a, true) // client 2 answers
			b.Link.ProbeAnswered = true
			b.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, a, dhcptest.AsPhone))
			b.Link.ProbeAnswered = false
			if d := b.Want(dhcp.VerdictProbing, dhcptest.Renew(2, a, dhcptest.AsPhone)); d.Probe != a {
				t.Fatalf("%+v", d)
			}
			b.Probed(a, false) // client 2 answers by its own MAC
			b.Want(dhcp.VerdictAcked, dhcptest.Renew(2, a, dhcptest.AsPhone))
			if l, ok := b.LeaseAt(a); !ok || l.MAC != dhcptest.ClientMAC(2) {
				t.Errorf("%+v", l)
			}
		})
	}
}

// Behind a relay a probe by ICMP does not show who answers: the address of a client that uses it is granted unprobed, one that a client remembers is probed.
func TestDistrustBehindARelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := distrusted(t, true, dhcptest.NewDisk())
		b.Link.LocalAddr = dhcptest.Addr("10.20.0.2")
		far := dhcptest.Addr("10.30.0.104")
		b.Link.Source, b.Link.Dest = netip.AddrPortFrom(far, 68), dhcptest.Addr("10.20.0.2")
		b.Want(dhcp.VerdictAcked, dhcptest.Renew(1, far, dhcptest.AsPhone))
		b.Link.Source = netip.MustParseAddrPort("10.30.0.1:67")
		b.Want(dhcp.VerdictAcked, dhcptest.Renew(2, dhcptest.Addr("10.30.0.105"), through("10.30.0.1")))
		if d := b.Want(dhcp.VerdictProbing, dhcptest.InitReboot(3, dhcptest.Addr("10.30.0.106"), through("10.30.0.1"))); d.Probe != dhcptest.Addr("10.30.0.106") {
			t.Errorf("probes %s", d.Probe)
		}
	})
}

// A lease in force that is known is renewed without a probe.
func TestDistrustRenewsKnownLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, a, now := dhcptest.NewDisk(), dhcptest.Addr("10.20.0.104"), time.Now().UTC().Truncate(time.Second)
		d.Leases[a] = dhcp.Lease{Addr: a, MAC: dhcptest.ClientMAC(1), Subnet: dhcptest.Voice().Prefix, State: dhcp.LeaseActive, FirstSeen: now, Starts: now, Expires: now.Add(time.Hour)}
		b := distrusted(t, true, d)
		b.Link.NoProbe = true
		b.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a))
		b.Want(dhcp.VerdictAcked, dhcptest.InitReboot(1, a))
	})
}

// C41: an address whose probe failed is not offered, though leases are known; without conflict_check nothing is probed.
func TestFailedProbeOffersNothing(t *testing.T) {
	cfg := dhcptest.ConfigOf(dhcptest.Voice())
	cfg.ConflictCheck = true
	g := dhcptest.NewFixture(t, cfg, nil, dhcptest.Phones{})
	g.Want(dhcp.VerdictProbing, dhcptest.Discover(1))
	g.Link.NoProbe, g.Link.ProbeFailed = true, true
	if d := g.Because(dhcp.VerdictInternalError, "the probe of the address failed", dhcptest.Discover(1)); d.Reply != nil {
		t.Errorf("%+v", d.Reply)
	}
	g.Link.ProbeFailed = false // under load, and without CAP_NET_RAW
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1))
	g.Reconfigure(func(c *dhcp.Config) { c.ConflictCheck = false })
	g.Link.NoProbe, g.Link.ProbeFailed = false, false
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
}
