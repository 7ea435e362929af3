package engine_test

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/wire"
)

// C30: link selection beats subnet selection beats relay address beats the link.
func TestSubnetChoiceC30(t *testing.T) {
	gi := func(a string) func(*dhcp.Request) { return func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr(a) } }
	link := func(a string) func(*dhcp.Request) {
		return func(r *dhcp.Request) { r.LinkSelection = dhcptest.Addr(a) }
	}
	sel := func(a string) func(*dhcp.Request) {
		return func(r *dhcp.Request) { r.SubnetSelection = dhcptest.Addr(a) }
	}
	for _, tc := range []struct {
		name string
		opts []func(*dhcp.Request)
		want string // subnet, "" for ignored
	}{
		{"link", nil, "10.20.0.0/24"},
		{"giaddr", []func(*dhcp.Request){gi("10.30.0.1")}, "10.30.0.0/24"},
		{"giaddr of no subnet", []func(*dhcp.Request){gi("10.99.0.1")}, ""},
		{"82.5 before giaddr", []func(*dhcp.Request){gi("10.99.0.1"), link("10.30.0.0")}, "10.30.0.0/24"},
		{"82.5 before 118", []func(*dhcp.Request){gi("10.99.0.1"), link("10.30.0.0"), sel("10.40.0.0")}, "10.30.0.0/24"},
		{"82.5 of no subnet", []func(*dhcp.Request){gi("10.30.0.1"), link("10.99.0.0")}, ""},
		{"118 before giaddr", []func(*dhcp.Request){gi("10.99.0.1"), sel("10.30.0.0")}, "10.30.0.0/24"},
		{"118 can't reach from one link into another", []func(*dhcp.Request){sel("10.30.0.0")}, "10.20.0.0/24"},
		{"82.5 from no relay", []func(*dhcp.Request){link("10.30.0.0")}, "10.20.0.0/24"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			far := dhcptest.Relayed()
			far.Relays = []netip.Addr{dhcptest.Addr("10.30.0.1"), dhcptest.Addr("10.99.0.1")}
			g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice(), far, dhcptest.Data(dhcp.PhonesNone)), nil, nil)
			g.Link.LocalAddr = dhcptest.Addr("192.0.2.2")
			d := g.Do(dhcptest.Discover(1, tc.opts...))
			if tc.want == "" {
				if d.Event.Verdict != dhcp.VerdictIgnored {
					t.Fatalf("%+v", d.Event)
				}
				return
			}
			if d.Reply == nil || d.Event.Subnet.String() != tc.want || !d.Event.Subnet.Contains(d.Reply.YIAddr) {
				t.Fatalf("%+v", d.Event)
			}
			req := dhcptest.Discover(1, tc.opts...)
			if echo := dhcptest.OptionOf(d.Reply, 118) != nil; echo != (req.SubnetSelection.IsValid() && d.Event.Subnet.Contains(req.SubnetSelection)) {
				t.Errorf("118 echoed: %v", echo)
			}
			if req.GIAddr.IsValid() && wire.ReplyDestination(req, d.Reply, &g.Link).Addr.Addr() != req.GIAddr {
				t.Error("not sent to the relay")
			}
		})
	}
}

// C30, RFC 5107: the relay's override becomes our server id, and is accepted back.
func TestServerOverrideC30(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Relayed()), nil, nil)
	g.Link.LocalAddr = dhcptest.Addr("192.0.2.2")
	over := func(r *dhcp.Request) {
		r.GIAddr, r.ServerOverride = dhcptest.Addr("10.30.0.1"), dhcptest.Addr("10.30.0.1")
	}
	d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, over))
	if netip.AddrFrom4([4]byte(dhcptest.OptionOf(d.Reply, 54))) != dhcptest.Addr("10.30.0.1") || d.Reply.From != dhcptest.Addr("192.0.2.2") {
		t.Errorf("%+v", d.Reply)
	}
	a := d.Reply.YIAddr
	g.Want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest, over, func(r *dhcp.Request) { r.Requested, r.ServerID = a, dhcptest.Addr("10.30.0.1") }))
	g.Want(dhcp.VerdictOtherServer, dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) {
		r.GIAddr, r.Requested, r.ServerID = dhcptest.Addr("10.30.0.1"), a, dhcptest.Addr("10.30.0.1")
	}))
}

// The provisioning address of a relayed subnet is the one the kernel would use towards it.
func TestRelayedNextServer(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice(), dhcptest.Relayed()), nil, nil)
	g.Link.LocalAddr = dhcptest.Addr("192.0.2.2")
	d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr("10.30.0.1") }, dhcptest.Params(66)))
	if d.Reply.SIAddr != dhcptest.Addr("192.0.2.2") || string(dhcptest.OptionOf(d.Reply, 66)) != "http://192.0.2.2/" || d.Reply.ServerID != dhcptest.Addr("192.0.2.2") {
		t.Errorf("%+v", d.Reply)
	}
	a := d.Reply.YIAddr
	g.Want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) {
		r.GIAddr, r.Requested, r.ServerID = dhcptest.Addr("10.30.0.1"), a, dhcptest.Addr("192.0.2.2")
	}))
	g.Now = g.Now.Add(time.Hour / 2)
	g.Unicast(a.String(), func() { // renewals come past the relay
		g.Link.Dest = dhcptest.Addr("192.0.2.2")
		d := g.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a))
		if wire.ReplyDestination(dhcptest.Renew(1, a), d.Reply, &g.Link).Addr.Addr() != a || d.Reply.ServerID != dhcptest.Addr("192.0.2.2") {
			t.Errorf("%+v", d.Reply)
		}
	})
}

// C16: two addresses on one link answer each from its own, and a client stays in its subnet.
func TestTwoSubnetsOnOneLinkC16(t *testing.T) {
	second := dhcptest.Data(dhcp.PhonesProvision)
	second.Interface = "voice0"
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice(), second), dhcptest.FakeReservations{dhcptest.ClientMAC(2): dhcptest.Addr("10.40.0.7")}, nil)
	g.Link.Addrs = append(g.Link.Addrs, netip.MustParsePrefix("10.40.0.2/24"))
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1)); d.Reply.From != dhcptest.Addr("10.20.0.2") || d.Reply.ServerID != dhcptest.Addr("10.20.0.2") {
		t.Errorf("%+v", d.Reply)
	}
	d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
	if d.Reply.From != dhcptest.Addr("10.40.0.2") || d.Reply.YIAddr != dhcptest.Addr("10.40.0.7") {
		t.Errorf("%+v", d.Reply)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Message(2, dhcp.MessageTypeRequest, func(r *dhcp.Request) {
		r.Requested, r.ServerID = dhcptest.Addr("10.40.0.7"), dhcptest.Addr("10.40.0.2")
	}))
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(3, dhcptest.Addr("10.40.0.105")))
	// It stays in the subnet where it has or had a lease, for any source address of the packet.
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(3)); d.Reply.YIAddr != dhcptest.Addr("10.40.0.105") {
		t.Errorf("offered %s", d.Reply.YIAddr)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(5, dhcptest.Addr("10.20.0.107")))
	g.Now = g.Now.Add(2 * time.Hour)
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(3)); d.Reply.YIAddr != dhcptest.Addr("10.40.0.105") {
		t.Errorf("offered %s", d.Reply.YIAddr)
	}
	g.Link.Source = netip.MustParseAddrPort("10.40.0.105:68")
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(6)); d.Event.Subnet.String() != "10.20.0.0/24" {
		t.Errorf("offered %s", d.Reply.YIAddr)
	}
	// A lease in force counts for more than one that has ended, in any order of the subnets.
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(5, dhcptest.Addr("10.40.0.107")))
	g.Now = g.Now.Add(time.Minute)
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(5, dhcptest.Addr("10.40.0.107")))
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(5)); d.Reply.YIAddr != dhcptest.Addr("10.40.0.107") {
		t.Errorf("offered %s", d.Reply.YIAddr)
	}
	for sel, want := range map[string]string{"10.40.0.0": "10.40.0.0/24", "10.20.0.0": "10.20.0.0/24", "10.99.0.0": "10.20.0.0/24"} { // RFC 3011
		d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(4, func(r *dhcp.Request) { r.SubnetSelection = dhcptest.Addr(sel) }))
		if d.Event.Subnet.String() != want || !d.Event.Subnet.Contains(d.Reply.YIAddr) {
			t.Errorf("118 selects %s: offered %s in %s", sel, d.Reply.YIAddr, d.Event.Subnet)
		}
	}
}

// Where one subnet of a link has no address for a client, another has; a reservation that is in use does not prevent that.
func TestSubnetsOfOneLinkShareTheirClients(t *testing.T) {
	none, one, two := dhcptest.Data(dhcp.PhonesProvision), dhcptest.Voice(), dhcptest.Data(dhcp.PhonesProvision)
	none.Prefix, none.Interface, none.Pools = netip.MustParsePrefix("10.10.0.0/24"), "voice0", nil
	one.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.101")}}
	two.Interface = "voice0"
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(none, one, two), dhcptest.FakeReservations{dhcptest.ClientMAC(1): dhcptest.Addr("10.20.0.100"), dhcptest.ClientMAC(9): dhcptest.Addr("10.10.0.7")}, dhcptest.Phones{})
	g.Link.Addrs = append(g.Link.Addrs, netip.MustParsePrefix("10.10.0.2/24"), netip.MustParsePrefix("10.40.0.2/24"))
	bind := func(n int) netip.Addr {
		t.Helper()
		r := g.Want(dhcp.VerdictOffered, dhcptest.Discover(n, dhcptest.AsPhone)).Reply
		if r.From != r.ServerID || !netip.PrefixFrom(r.From, 24).Masked().Contains(r.YIAddr) {
			t.Errorf("%s offered by %s", r.YIAddr, r.From)
		}
		d := g.Want(dhcp.VerdictAcked, dhcptest.Message(n, dhcp.MessageTypeRequest, dhcptest.AsPhone, func(q *dhcp.Request) { q.Requested, q.ServerID = r.YIAddr, r.ServerID }))
		return d.Reply.YIAddr
	}
	for n, want := range []string{"10.20.0.101", "10.20.0.100", "10.40.0.100", "10.40.0.101"} {
		if got := bind(n); got != dhcptest.Addr(want) {
			t.Errorf("client %d has %s, want %s", n, got, want)
		}
	}
	squatted := dhcptest.Message(1, dhcp.MessageTypeDecline, dhcptest.AsPhone, func(r *dhcp.Request) { r.Requested = dhcptest.Addr("10.20.0.100") })
	g.Want(dhcp.VerdictDeclined, squatted)
	if got := bind(1); got != dhcptest.Addr("10.40.0.102") {
		t.Errorf("client 1 has %s", got)
	}
	if got := bind(9); got != dhcptest.Addr("10.10.0.7") {
		t.Errorf("client 9 has %s", got)
	}
	for n := 20; n < 27; n++ {
		bind(n)
	}
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(30, dhcptest.AsPhone))
	// A network without phones admits other clients only.
	ordinary := dhcptest.Data(dhcp.PhonesNone)
	ordinary.Interface = "voice0"
	one.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.100")}}
	g = dhcptest.NewFixture(t, dhcptest.ConfigOf(one, ordinary), nil, dhcptest.Phones{})
	g.Link.Addrs = append(g.Link.Addrs, netip.MustParsePrefix("10.40.0.2/24"))
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone))
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(2, dhcptest.AsPhone))
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(3)); d.Reply.YIAddr != dhcptest.Addr("10.40.0.100") {
		t.Errorf("offered %s", d.Reply.YIAddr)
	}
}

// C16: of two addresses in one subnet, the one that was addressed replies; phones are sent the same provisioning address in both cases.
func TestAddressedAddressRepliesC16(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Link.Addrs = append(g.Link.Addrs, netip.MustParsePrefix("10.20.0.3/24"))
	a := g.Bind(1)
	g.Now = g.Now.Add(time.Minute)
	for _, server := range []string{"10.20.0.3", "10.20.0.2"} {
		g.Link.Source, g.Link.Dest = netip.AddrPortFrom(a, 68), dhcptest.Addr(server)
		r := g.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a, dhcptest.Params(66))).Reply
		if r.From != dhcptest.Addr(server) || r.ServerID != dhcptest.Addr(server) || r.SIAddr != dhcptest.Addr("10.20.0.2") || string(dhcptest.OptionOf(r, 66)) != "http://10.20.0.2/" {
			t.Errorf("server %s: from %s, server %s, siaddr %s, 66 %q", server, r.From, r.ServerID, r.SIAddr, dhcptest.OptionOf(r, 66))
		}
	}
}

// C16: a relay is answered from the address that it sent to, even if the kernel would use another towards it. Phones are sent that other
// address.
func TestRelayIsAnsweredFromTheAddressItSentToC16(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Relayed()), nil, nil)
	g.Link.LocalAddr, g.Link.Dest = dhcptest.Addr("192.0.2.2"), dhcptest.Addr("10.20.0.2")
	relay := func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr("10.30.0.1") }
	r := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, relay)).Reply
	if r.From != dhcptest.Addr("10.20.0.2") || r.ServerID != dhcptest.Addr("10.20.0.2") || r.SIAddr != dhcptest.Addr("192.0.2.2") {
		t.Errorf("%+v", r)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest, relay, func(q *dhcp.Request) { q.Requested, q.ServerID = r.YIAddr, r.ServerID }))
}

// A client of an ordinary network with a phone's MAC doesn't end the short lease that moves the phone, either.
func TestBorrowedMACAndMovingPhone(t *testing.T) {
	moving := dhcptest.Voice()
	moving.Phones, moving.VoiceVLAN = dhcp.PhonesMove, 20
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(moving, dhcptest.Data(dhcp.PhonesNone)), nil, dhcptest.Phones{})
	a := g.Bind(1, dhcptest.AsPhone)
	pc := g.Bind(2)
	g.Link.Interface, g.Link.Addrs = "data0", []netip.Prefix{netip.MustParsePrefix("10.40.0.2/24")}
	for n := 1; n <= 2; n++ {
		o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(n, dhcptest.AsPhone))
		g.Want(dhcp.VerdictAcked, dhcptest.Message(n, dhcp.MessageTypeRequest, dhcptest.AsPhone, func(r *dhcp.Request) { r.Requested, r.ServerID = o.Reply.YIAddr, dhcptest.Addr("10.40.0.2") }))
	}
	if l, _ := g.Leases().At(a); l.State != dhcp.LeaseActive {
		t.Errorf("the phone's lease is %s", l.State)
	}
	if l, _ := g.Leases().At(pc); l.State != dhcp.LeaseReleased { // C44
		t.Errorf("the PC's lease is %s", l.State)
	}
}

// C44: a client that moved leaves its old lease behind; but an ordinary network can't take a phone's lease away.
func TestMoveLeavesTheOldLeaseC44(t *testing.T) {
	for _, tc := range []struct {
		name string
		kind string
		want dhcp.LeaseState // of the lease in the voice subnet
	}{{"to another network of phones", dhcp.PhonesProvision, dhcp.LeaseReleased}, {"to the network that moves phones", dhcp.PhonesMove, dhcp.LeaseActive}, {"to an ordinary network", dhcp.PhonesNone, dhcp.LeaseActive}} {
		t.Run(tc.name, func(t *testing.T) {
			g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice(), dhcptest.Data(tc.kind)), nil, dhcptest.Phones{})
			a := g.Bind(1, dhcptest.AsPhone)
			home := g.Link
			g.Link.Interface, g.Link.Addrs = "data0", []netip.Prefix{netip.MustParsePrefix("10.40.0.2/24")}
			g.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, a, dhcptest.AsPhone))
			o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone))
			g.Want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest, dhcptest.AsPhone, func(r *dhcp.Request) { r.Requested, r.ServerID = o.Reply.YIAddr, dhcptest.Addr("10.40.0.2") }))
			if l, _ := g.Leases().At(a); l.State != tc.want {
				t.Errorf("the old lease is %s, want %s", l.State, tc.want)
			}
			g.Link = home
			if back := g.Bind(1, dhcptest.AsPhone); back != a {
				t.Errorf("back home it gets %s, had %s", back, a)
			}
			if l, _ := g.Leases().At(o.Reply.YIAddr); l.State != dhcp.LeaseReleased {
				t.Errorf("the lease it came from is %s", l.State)
			}
		})
	}
}

func TestLinkWithoutSubnetIsIgnored(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Link.Interface = "eth7"
	g.Want(dhcp.VerdictIgnored, dhcptest.Discover(1))
	g.Link.Interface, g.Link.Addrs = "voice0", nil
	g.Want(dhcp.VerdictIgnored, dhcptest.Discover(1))
}
