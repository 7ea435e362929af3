package engine_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/engine"
)

// policyFunc is a ClientPolicy that is a function.
type policyFunc func(dhcp.Client, dhcp.Site) dhcp.Policy

func (f policyFunc) PolicyFor(c dhcp.Client, s dhcp.Site) dhcp.Policy { return f(c, s) }

// The ClientPolicy opens the store and runs the regular expressions of all packs: it is called once for a message, and never while
// the lease table is locked, whatever the message and however often it is decided about.
func TestClientPolicyIsCalledWithoutTheTableLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(voice())
		cfg.ConflictCheck = true
		b := newTableFixture(t, cfg, newDisk(), time.Now)
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
		messages := []*dhcp.Request{discoverOf(1), selectingOf(1, ip("10.20.0.105")), initRebootOf(2, ip("10.20.0.106")), renewOf(1, ip("10.20.0.105")),
			request(1, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = ip("10.20.0.105") }),
			request(2, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = ip("10.20.0.106") }),
			request(3, dhcp.MessageTypeInform, func(r *dhcp.Request) { r.CIAddr = ip("10.20.0.77") })}
		for _, m := range messages {
			_, _ = b.Do(m)
		}
		if calls != len(messages) {
			t.Errorf("called %d times for %d messages", calls, len(messages))
		}
		req := discoverOf(9)
		c := e.Classify(req, &b.Link)
		calls = 0
		for range 3 { // before and after a probe, and without a write
			b.Table.Serve(func(now time.Time, leases *dhcp.Leases) dhcp.Decision { return e.Decide(now, req, &b.Link, c, leases) }, func(*dhcp.Decision, error) {})
		}
		if calls != 0 {
			t.Errorf("called %d times by Decide", calls)
		}
	})
}

// Where several subnets are on the client's link, the leases say in which it is; the policy for each subnet was determined before.
func TestPolicyOfEachSubnetOfALink(t *testing.T) {
	other := data(dhcp.PhonesProvision)
	other.Interface = "voice0"
	told := map[netip.Prefix]int{}
	g := newFixture(t, config(voice(), other), nil, policyFunc(func(_ dhcp.Client, s dhcp.Site) dhcp.Policy {
		told[s.Subnet]++
		return dhcp.Policy{Phone: true, Model: s.Subnet.String()}
	}))
	g.Load(dhcp.Lease{Addr: ip("10.40.0.105"), MAC: mac(1), Subnet: other.Prefix, State: dhcp.LeaseActive, Starts: start, Expires: start.Add(time.Hour)})
	if d := g.Want(dhcp.VerdictOffered, discoverOf(1)); d.Event.Model != other.Prefix.String() || d.Reply.YIAddr != ip("10.40.0.105") {
		t.Errorf("%s in %s, policy of %s", d.Reply.YIAddr, d.Event.Subnet, d.Event.Model)
	}
	if len(told) != 2 {
		t.Errorf("policies for %v", told)
	}
}
