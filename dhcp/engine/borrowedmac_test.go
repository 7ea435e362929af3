package engine_test

import (
	"net/netip"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// borrowedMAC is a server with phones at home on voice0 and behind a relay, and guests on data0 and behind a router. Clients 1 and 2
// are phones with leases in the two networks of phones; guests send messages with their MACs.
type borrowedMAC struct {
	*dhcptest.Fixture
	home     dhcp.Link
	attached netip.Addr // of client 1
	relayed  netip.Addr // of client 2
}

func newBorrowedMAC(t *testing.T) *borrowedMAC {
	guests := dhcptest.Data(dhcp.PhonesNone) // behind a relay
	guests.Prefix, guests.Interface, guests.Pools, guests.Routers = netip.MustParsePrefix("10.50.0.0/24"), "", nil, []netip.Addr{dhcptest.Addr("10.50.0.1")}
	f := &borrowedMAC{Fixture: dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice(), dhcptest.Relayed(), dhcptest.Data(dhcp.PhonesNone), guests), nil, dhcptest.Phones{})}
	f.Link.LocalAddr = dhcptest.Addr("10.20.0.2")
	f.attached = f.Bind(1, dhcptest.AsPhone)
	f.Link.LocalAddr = dhcptest.Addr("192.0.2.2")
	f.relayed = f.Bind(2, dhcptest.AsPhone, giaddr("10.30.0.1"))
	f.home = f.Link
	return f
}

// fromGuests makes packets come in on data0. localAddr is the server's address on the way back to the sender, "" when there is none.
func (f *borrowedMAC) fromGuests(src, dst, localAddr string) {
	f.Link.Interface, f.Link.Addrs = "data0", []netip.Prefix{netip.MustParsePrefix("10.40.0.2/24")}
	f.Link.Host = append(f.Link.Host, dhcptest.Addr("10.40.0.2"))
	f.Link.Source, f.Link.Dest, f.Link.LocalAddr, f.Link.ReversePathMismatch = netip.AddrPortFrom(dhcptest.Addr(src), 68), dhcptest.Addr(dst), netip.Addr{}, false
	if localAddr != "" {
		f.Link.LocalAddr, f.Link.ReversePathMismatch = dhcptest.Addr(localAddr), dhcptest.Addr(localAddr) != dhcptest.Addr("10.40.0.2")
	}
}

// fromRouter makes packets come in on the phones' own link.
func (f *borrowedMAC) fromRouter(src, localAddr string) {
	f.Link = f.home
	f.Link.Source, f.Link.Dest, f.Link.LocalAddr = netip.AddrPortFrom(dhcptest.Addr(src), 68), dhcptest.Addr("10.20.0.2"), dhcptest.Addr(localAddr)
}

// fromUnconfiguredLink makes packets come in on a link that is in no subnet of the configuration.
func (f *borrowedMAC) fromUnconfiguredLink(src, localAddr string) {
	f.fromRouter(src, localAddr)
	f.Link.Interface, f.Link.Addrs, f.Link.Dest = "mgmt0", []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")}, dhcptest.Addr("192.0.2.2")
	f.Link.ReversePathMismatch = true
}

// borrowedMACCase is a message that must change nothing. dst is an address of fromGuests, or the link "voice0" or "mgmt0".
type borrowedMACCase struct {
	name                string
	src, dst, localAddr string
	req                 *dhcp.Request
}

func (f *borrowedMAC) cases() []borrowedMACCase {
	a, b, free, freeFar := f.attached, f.relayed, dhcptest.Addr("10.20.0.108"), dhcptest.Addr("10.30.0.108")
	return []borrowedMACCase{
		{"release by a guest behind a router", "10.50.0.100", "voice0", "10.20.0.2", named(1, dhcp.MessageTypeRelease, a)},
		{"a relay that a guest behind a router claims to be", "10.50.0.100", "voice0", "10.20.0.2", named(2, dhcp.MessageTypeRelease, b, giaddr("10.30.0.1"))},
		{"the same on the phones' own link", "10.50.0.100", "voice0", "10.20.0.2", named(1, dhcp.MessageTypeRelease, a, giaddr("10.20.0.77"))},
		{"release by a link that is not served", "192.0.2.100", "mgmt0", "10.20.0.2", named(1, dhcp.MessageTypeRelease, a)},
		{"release by a guest where the server is itself", "10.40.0.100", "10.40.0.2", "10.40.0.2", named(2, dhcp.MessageTypeRelease, b)},
		{"decline by broadcast", "0.0.0.0", "255.255.255.255", "", named(1, dhcp.MessageTypeDecline, a)},
		{"release by broadcast", "10.40.0.100", "255.255.255.255", "", named(1, dhcp.MessageTypeRelease, a)},
		{"release from its address", a.String(), "10.40.0.2", "10.20.0.2", named(1, dhcp.MessageTypeRelease, a)},
		{"renewal of a free address", free.String(), "10.40.0.2", "10.20.0.2", named(1, dhcp.MessageTypeRequest, free)},
		{"renewal by broadcast", "10.40.0.100", "255.255.255.255", "", named(1, dhcp.MessageTypeRequest, free)},
		{"a relay on the phones' link", "10.40.0.100", "10.40.0.2", "10.20.0.2", dhcptest.Message(1, dhcp.MessageTypeDiscover, dhcptest.AsPhone, giaddr("10.20.0.77"))},
		{"its release", "10.40.0.100", "10.40.0.2", "10.20.0.2", named(1, dhcp.MessageTypeRelease, a, giaddr("10.20.0.77"))},
		{"a relay on another link", "10.40.0.100", "10.40.0.2", "192.0.2.2", dhcptest.Message(2, dhcp.MessageTypeRequest, dhcptest.AsPhone, giaddr("10.30.0.1"), func(r *dhcp.Request) { r.Requested = freeFar })},
		{"a relay in the guests' network that selects the phones' link", "10.40.0.100", "10.40.0.2", "10.40.0.2",
			dhcptest.Message(1, dhcp.MessageTypeDiscover, dhcptest.AsPhone, giaddr("10.40.0.77"), func(r *dhcp.Request) { r.LinkSelection = dhcptest.Addr("10.20.0.0") })},
		{"its decline", "10.40.0.100", "10.40.0.2", "192.0.2.2", named(2, dhcp.MessageTypeDecline, b, giaddr("10.30.0.1"))},
	}
}

func giaddr(s string) func(*dhcp.Request) {
	return func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr(s) }
}

// named returns a phone's message of client n about addr.
func named(n int, typ dhcp.MessageType, addr netip.Addr, opts ...func(*dhcp.Request)) *dhcp.Request {
	return dhcptest.Message(n, typ, append([]func(*dhcp.Request){dhcptest.AsPhone, func(r *dhcp.Request) {
		if typ == dhcp.MessageTypeDecline {
			r.Requested = addr
		} else {
			r.CIAddr = addr
		}
	}}, opts...)...)
}

// A guest with a phone's MAC does not change the phone's lease: neither by messages that name its address, nor with a forged relay or
// client address.
func TestBorrowedMACOnAnotherLinkChangesNoLease(t *testing.T) {
	f := newBorrowedMAC(t)
	for _, tc := range f.cases() {
		t.Run(tc.name, func(t *testing.T) {
			switch tc.dst {
			case "voice0":
				f.fromRouter(tc.src, tc.localAddr)
			case "mgmt0":
				f.fromUnconfiguredLink(tc.src, tc.localAddr)
			default:
				f.fromGuests(tc.src, tc.dst, tc.localAddr)
			}
			if d := f.Do(tc.req); len(d.Changes) > 0 || d.Hold.IsValid() {
				t.Errorf("%s (%s) changes %+v, holds %s", d.Event.Verdict, d.Event.Reason, d.Changes, d.Hold)
			}
		})
	}
	f.acceptsRelays()
	f.leasesGuest(t)
	for _, addr := range []netip.Addr{f.attached, f.relayed} {
		if l, _ := f.Leases().At(addr); l.State != dhcp.LeaseActive {
			t.Errorf("%s is %s", addr, l.State)
		}
	}
}

// acceptsRelays checks that the relay's own messages are accepted when they come through the guests' networks.
func (f *borrowedMAC) acceptsRelays() {
	f.T.Helper()
	discover := func(n int) *dhcp.Request {
		return dhcptest.Message(n, dhcp.MessageTypeDiscover, dhcptest.AsPhone, giaddr("10.30.0.1"))
	}
	f.fromGuests("10.40.0.3", "10.40.0.2", "10.40.0.2")
	f.Want(dhcp.VerdictOffered, discover(3))
	f.fromRouter("10.50.0.1", "10.20.0.2")
	f.Want(dhcp.VerdictOffered, discover(4))
	f.Link = f.home
	f.Link.Source, f.Link.Dest, f.Link.LocalAddr = netip.MustParseAddrPort("10.30.0.1:67"), dhcptest.Addr("10.20.0.2"), dhcptest.Addr("192.0.2.2")
	f.Link.ReversePathMismatch = true // asymmetric routing
	f.Want(dhcp.VerdictOffered, discover(5))
}

// leasesGuest gives a guest with the MAC of client 1 a lease in its own network, which must change no other lease.
func (f *borrowedMAC) leasesGuest(t *testing.T) {
	t.Helper()
	f.fromGuests("0.0.0.0", "255.255.255.255", "")
	o := f.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone))
	d := f.Want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest, dhcptest.AsPhone, func(r *dhcp.Request) { r.Requested, r.ServerID = o.Reply.YIAddr, dhcptest.Addr("10.40.0.2") }))
	if len(d.Changes) != 1 {
		t.Errorf("changes %+v", d.Changes)
	}
}
