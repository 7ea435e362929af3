package engine_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
)

// policyFunc is a ClientPolicy that is a function.
type policyFunc func(dhcp.Client, dhcp.Site) dhcp.Policy

func (f policyFunc) PolicyFor(c dhcp.Client, s dhcp.Site) dhcp.Policy { return f(c, s) }

// The ClientPolicy opens the store and runs the regular expressions of all packs: it is called once for a message, and never while
// the lease table is locked, for every message, also when it is decided about again.
func TestClientPolicyIsCalledWithoutTheTableLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := dhcptest.ConfigOf(dhcptest.Voice())
		cfg.ConflictCheck = true
		b := dhcptest.NewTableFixture(t, cfg, dhcptest.NewDisk(), time.Now)
		calls := 0
		e, err := engine.New(cfg, nil, policyFunc(func(dhcp.Client, dhcp.Site) dhcp.Policy {
			calls++
			b.Stats() // takes the lock: held by a caller, the bubble would be reported as deadlocked
			return dhcp.Policy{Phone: true}
		}))
		if err != nil {
			t.Fatal(err)
		}
		b.Engine = e
		messages := []*dhcp.Request{dhcptest.Discover(1), dhcptest.Selecting(1, dhcptest.Addr("10.20.0.105")), dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.106")), dhcptest.Renew(1, dhcptest.Addr("10.20.0.105")),
			dhcptest.Message(1, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = dhcptest.Addr("10.20.0.105") }),
			dhcptest.Message(2, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("10.20.0.106") }),
			dhcptest.Message(3, dhcp.MessageTypeInform, func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("10.20.0.77") })}
		for _, m := range messages {
			_, _ = b.Do(m)
		}
		if calls != len(messages) {
			t.Errorf("called %d times for %d messages", calls, len(messages))
		}
		req := dhcptest.Discover(9)
		c := e.Classify(req, &b.Link)
		calls = 0
		for range 3 { // before and after a probe, and without a write
			b.Table.Serve(func(now time.Time, leases *leasetable.Leases) dhcp.Decision {
				return e.Decide(now, req, &b.Link, c, leases)
			}, func(*dhcp.Decision, error) {})
		}
		if calls != 0 {
			t.Errorf("called %d times by Decide", calls)
		}
	})
}

// Where several subnets are on the client's link, its lease decides in which it is; the policy for each subnet was determined before.
func TestPolicyOfEachSubnetOfALink(t *testing.T) {
	other := dhcptest.Data(dhcp.PhonesProvision)
	other.Interface = "voice0"
	policies := map[netip.Prefix]int{}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice(), other), nil, policyFunc(func(_ dhcp.Client, s dhcp.Site) dhcp.Policy {
		policies[s.Subnet]++
		return dhcp.Policy{Phone: true, Model: s.Subnet.String()}
	}))
	g.Load(dhcp.Lease{Addr: dhcptest.Addr("10.40.0.105"), MAC: dhcptest.ClientMAC(1), Subnet: other.Prefix, State: dhcp.LeaseActive, Starts: dhcptest.Start, Expires: dhcptest.Start.Add(time.Hour)})
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1)); d.Event.Model != other.Prefix.String() || d.Reply.YIAddr != dhcptest.Addr("10.40.0.105") {
		t.Errorf("%s in %s, policy of %s", d.Reply.YIAddr, d.Event.Subnet, d.Event.Model)
	}
	if len(policies) != 2 {
		t.Errorf("policies for %v", policies)
	}
}
