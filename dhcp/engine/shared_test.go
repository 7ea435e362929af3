package engine_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/sharing"
)

var otherID = dhcptest.Addr("10.20.0.9")

// share makes the fixture one of two servers of its subnet. alive is the state of the other one, usable that of the common store.
func share(g *dhcptest.Fixture, alive, usable bool) {
	members := []sharing.Member{{Name: "a", ServerID: dhcptest.Addr("10.20.0.2"), Alive: true}, {Name: "b", ServerID: otherID, Alive: alive}}
	g.Link.Sharing = sharing.Subnets{dhcptest.Voice().Prefix: sharing.NewServers("a", members, sharing.State{Usable: usable, Complete: alive && usable})}
}

// clients returns a client that this server answers, and one that the other does.
func clients(g *dhcptest.Fixture) (mine, theirs int) {
	v := g.Link.Sharing[dhcptest.Voice().Prefix]
	mine, theirs = -1, -1
	for n := 1; mine < 0 || theirs < 0; n++ {
		if v.Mine(dhcptest.ClientMAC(n)) {
			mine = n
		} else {
			theirs = n
		}
	}
	return mine, theirs
}

func sharedFixture(t *testing.T) (g *dhcptest.Fixture, mine, theirs int) {
	g = dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	share(g, true, true)
	mine, theirs = clients(g)
	return g, mine, theirs
}

// C53: messages to any server are answered by the one whose client it is; RENEWING by the one that it is sent to.
func TestOneServerAnswersC53(t *testing.T) {
	g, mine, theirs := sharedFixture(t)
	a := g.Bind(mine)
	d := g.Because(dhcp.VerdictLeft, "left to b", dhcptest.Discover(theirs))
	if d.Reply != nil {
		t.Error("it was answered")
	}
	g.Want(dhcp.VerdictLeft, dhcptest.InitReboot(theirs, dhcptest.Addr("10.20.0.105")))
	g.Want(dhcp.VerdictLeft, dhcptest.Renew(theirs, dhcptest.Addr("10.20.0.105"))) // REBINDING: it is broadcast
	g.Want(dhcp.VerdictLeft, dhcptest.Message(theirs, dhcp.MessageTypeInform, func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("10.20.0.105") }))
	g.Now = g.Now.Add(20 * time.Second)
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(mine, a))
	g.Unicast("10.20.0.105", func() { g.Want(dhcp.VerdictAcked, dhcptest.Renew(theirs, dhcptest.Addr("10.20.0.105"))) })

	share(g, false, true) // the other one is dead
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(theirs))
}

// C54: a client that waits is answered by this server, too.
func TestClientThatWaitedIsAnsweredC54(t *testing.T) {
	g, _, theirs := sharedFixture(t)
	for _, secs := range []uint16{3, 20, 0x0300} {
		g.Want(dhcp.VerdictOffered, dhcptest.Discover(theirs, func(r *dhcp.Request) { r.Secs = secs }))
	}
	for _, secs := range []uint16{0, 2, 0x0200} {
		g.Want(dhcp.VerdictLeft, dhcptest.Discover(theirs, func(r *dhcp.Request) { r.Secs = secs }))
	}
	g.Now = g.Now.Add(time.Second)
	g.Want(dhcp.VerdictLeft, dhcptest.Discover(theirs)) // it was seen a second ago
	g.Now = g.Now.Add(time.Second)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(theirs))
	g.Want(dhcp.VerdictLeft, dhcptest.Selecting(theirs, dhcptest.Addr("10.20.0.105"), func(r *dhcp.Request) { r.ServerID = otherID })) // it was answered there
	g.Want(dhcp.VerdictLeft, dhcptest.Discover(theirs))
	g.Now = g.Now.Add(time.Hour)
	g.Want(dhcp.VerdictLeft, dhcptest.Discover(theirs)) // the message of an hour ago was of another start
}

// C55: a REQUEST for the other server's offer is left to it while it lives.
func TestRequestForTheOthersOfferC55(t *testing.T) {
	g, mine, theirs := sharedFixture(t)
	request := func(n int) *dhcp.Request {
		return dhcptest.Selecting(n, dhcptest.Addr("10.20.0.105"), func(r *dhcp.Request) { r.ServerID = otherID })
	}
	g.Want(dhcp.VerdictLeft, request(theirs))
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(mine))
	if d := g.Want(dhcp.VerdictLeft, request(mine)); d.Event.Server.IsValid() {
		t.Error("the other server counts as foreign")
	}
	if a, ok := g.Leases().Offered(dhcptest.Voice().Prefix, dhcptest.ClientMAC(mine)); ok {
		t.Errorf("%s stays offered", a)
	}
	share(g, false, true)
	d := g.Want(dhcp.VerdictAcked, request(theirs))
	if d.Reply.ServerID != dhcptest.Addr("10.20.0.2") {
		t.Errorf("server identifier %s", d.Reply.ServerID)
	}
	share(g, false, false) // whether it lives is not known
	g.Want(dhcp.VerdictLeft, request(mine))
	g.Want(dhcp.VerdictOtherServer, dhcptest.Selecting(mine, dhcptest.Addr("10.20.0.105"), func(r *dhcp.Request) { r.ServerID = dhcptest.Addr("10.20.0.77") }))
}

// C56: only addresses of the own share are offered while there are any; then the others, too.
func TestOffersFromTheOwnShareC56(t *testing.T) {
	g, _, _ := sharedFixture(t)
	v := g.Link.Sharing[dhcptest.Voice().Prefix]
	waited := func(r *dhcp.Request) { r.Secs = 5 }
	own := map[netip.Addr]bool{}
	for n := 1; n <= 5; n++ {
		o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(n, waited, func(r *dhcp.Request) { r.Requested = dhcptest.Addr("10.20.0.101") }))
		if a := o.Reply.YIAddr; !v.Offers(a) || own[a] {
			t.Errorf("%s is not of this server's share, or was offered before", a)
		}
		own[o.Reply.YIAddr] = true
	}
	o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(6, waited))
	if v.Offers(o.Reply.YIAddr) {
		t.Errorf("%s: a sixth address of five", o.Reply.YIAddr)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(6, o.Reply.YIAddr))
	g.Now = g.Now.Add(20 * time.Second)
	if o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(6, waited)); v.Offers(o.Reply.YIAddr) {
		t.Errorf("%s: a client keeps its address, of whichever share", o.Reply.YIAddr)
	}
}

// C58: without the store a known lease is acknowledged for the remaining time, nothing else is answered, and nothing is refused.
func TestWithoutTheStoreC58(t *testing.T) {
	g, mine, theirs := sharedFixture(t)
	a := g.Bind(mine)
	share(g, true, false)
	g.Now = g.Now.Add(30 * time.Minute)
	d := g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(mine, a))
	if left := dhcptest.Seconds(dhcptest.OptionOf(d.Reply, 51)); left > 1801 || len(d.Changes) != 0 {
		t.Errorf("%d seconds, %d changes", left, len(d.Changes))
	}
	if o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(mine)); o.Reply.YIAddr != a {
		t.Errorf("offered %s, not %s", o.Reply.YIAddr, a)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(mine, a))
	const silent = "no lease can be bound"
	g.Because(dhcp.VerdictInternalError, silent, dhcptest.Discover(theirs))
	g.Because(dhcp.VerdictInternalError, silent, dhcptest.InitReboot(theirs, a))
	g.Because(dhcp.VerdictInternalError, silent, dhcptest.InitReboot(theirs, dhcptest.Addr("192.168.1.5")))
	g.Unicast(a.String(), func() { g.Want(dhcp.VerdictAcked, dhcptest.Renew(mine, a)) })
	g.Now = g.Now.Add(30 * 24 * time.Hour)
	g.Because(dhcp.VerdictInternalError, silent, dhcptest.Discover(mine)) // it has ended
}

// C57: what a NAK depends on is compared with the store before it leaves.
func TestNakIsVerifiedC57(t *testing.T) {
	g, mine, theirs := sharedFixture(t)
	a := g.Bind(mine)
	d := g.Want(dhcp.VerdictNak, dhcptest.Selecting(theirs, a))
	if !slices.Equal(d.Verify, []netip.Addr{a}) {
		t.Errorf("%v", d.Verify)
	}
	g.Now = g.Now.Add(20 * time.Second)
	d = g.Want(dhcp.VerdictNak, dhcptest.InitReboot(mine, dhcptest.Addr("10.20.0.108")))
	if !slices.Equal(d.Verify, []netip.Addr{dhcptest.Addr("10.20.0.108"), a}) {
		t.Errorf("%v", d.Verify)
	}
	g.Link.NoWrite = true // the store has refused
	g.Want(dhcp.VerdictInternalError, dhcptest.InitReboot(mine, dhcptest.Addr("10.20.0.108")))
}

// C60: an address that was given back waits until no other server can acknowledge it to its client any more.
func TestAddressThatWasGivenBackC60(t *testing.T) {
	g, mine, theirs := sharedFixture(t)
	a := g.Bind(mine)
	waited := func(r *dhcp.Request) { r.Secs = 5 }
	g.Unicast(a.String(), func() {
		g.Want(dhcp.VerdictReleased, dhcptest.Message(mine, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = a }))
	})
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(theirs, a))
	if o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(mine)); o.Reply.YIAddr != a {
		t.Errorf("its own client is offered %s", o.Reply.YIAddr)
	}
	g.Now = g.Now.Add(2 * time.Minute) // the offer has ended
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(theirs, a))

	g.Unicast(a.String(), func() {
		g.Want(dhcp.VerdictReleased, dhcptest.Message(theirs, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = a }))
	})
	share(g, false, true)
	g.Now = g.Now.Add(10 * time.Minute)
	g.Because(dhcp.VerdictNak, "its lease has not ended", dhcptest.Selecting(mine, a))
	for range 12 {
		if o := g.Do(dhcptest.Discover(mine, waited)); o.Reply != nil && o.Reply.YIAddr == a {
			t.Fatal("it was offered")
		}
	}
	g.Now = g.Now.Add(time.Hour)
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(mine, a))
}
