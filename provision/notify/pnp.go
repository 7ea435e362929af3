package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
)

// pnpGroup is the multicast group of SIP (RFC 3261, 18.1.1), to which phones send their SUBSCRIBE for the event ua-profile (RFC 6080, 5.1).
var pnpGroup = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 1, 75}), 5060)

// Subscription is a phone's multicast SUBSCRIBE.
type Subscription struct {
	MAC       dhcp.MAC // zero: the request names none
	From      netip.AddrPort
	Interface string
	UserAgent string
}

// Responder answers SIP PnP: a phone that is recognised gets its provisioning URL. All members must be set.
type Responder struct {
	Interfaces func() []string
	// URL returns the MAC of the phone and the URL that it is given. A zero MAC or an error means silence.
	URL func(Subscription) (mac dhcp.MAC, url string, err error)
	// Answered is called when a phone was given its URL: at most once in ten minutes for each, as any host on the link can send requests in
	// the name of a phone.
	Answered func(mac dhcp.MAC, s Subscription, url string)
	// State is called with nil when it listens, and with the error when it can't; it tries again by itself.
	State func(error)
	// Other is called when another host answers a SUBSCRIBE of our own.
	Other func(ifname string, from netip.Addr)
	Now   func() time.Time
	Log   *slog.Logger

	listen   func(context.Context) (net.PacketConn, error) // nil: of the group; tests replace it
	reported *lru.Cache[dhcp.MAC, time.Time]               // when Answered was called; nil before Run
}

// retryEvery is how long after a failure the responder listens again.
const retryEvery = 30 * time.Second

// Answered is called again for a phone after reportEvery; reportedPhones are remembered.
const (
	reportEvery    = 10 * time.Minute
	reportedPhones = 16_384
)

// maxAnswers is how many phones are answered at a time.
const maxAnswers = 256

// probeEvery is how often each interface is searched for other responders.
const probeEvery = 10 * time.Minute

// Run answers until ctx ends. A socket that fails is opened again later: phones that need no PnP must not suffer from it. It calls ready when
// it listens, or can't for the first time.
func (r *Responder) Run(ctx context.Context, ready func()) error {
	r.reported = lru.New[dhcp.MAC, time.Time](reportedPhones)
	ready = sync.OnceFunc(ready)
	for {
		err := r.serve(ctx, ready)
		if ctx.Err() != nil {
			return nil
		}
		r.Log.Warn("pnp: phones that look for their server by SIP PnP are not answered", "err", err, "retry", retryEvery)
		r.State(err)
		ready()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryEvery):
		}
	}
}

// openGroup listens for what is sent to the group only: another SIP server may use the port.
func openGroup(ctx context.Context) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: reuseAddress}
	return lc.ListenPacket(ctx, "udp4", pnpGroup.String())
}

// serve answers until ctx ends or the socket fails.
func (r *Responder) serve(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	open := r.listen
	if open == nil {
		open = openGroup
	}
	conn, err := open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := ipv4.NewPacketConn(conn)
	if err := p.SetControlMessage(ipv4.FlagInterface, true); err != nil {
		return err
	}
	go r.join(ctx, p)
	r.State(nil)
	ready()
	free := make(chan struct{}, maxAnswers)
	buf := make([]byte, 65_535)
	for {
		n, control, from, err := p.ReadFrom(buf)
		if err != nil {
			return err
		}
		if control == nil {
			continue
		}
		select {
		case free <- struct{}{}:
		default:
			continue // the phone repeats its request
		}
		packet := bytes.Clone(buf[:n])
		go func() {
			defer func() { <-free }()
			r.handle(packet, control.IfIndex, from.(*net.UDPAddr).AddrPort())
		}()
	}
}

func reuseAddress(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }), err)
}

// join joins the group on each interface, also on those that come up later, and searches for other responders.
func (r *Responder) join(ctx context.Context, p *ipv4.PacketConn) {
	joined := map[int]bool{}
	probed := map[int]time.Time{}
	every := time.NewTicker(5 * time.Second)
	defer every.Stop()
	var now time.Time
	for {
		for _, name := range r.Interfaces() {
			i, err := net.InterfaceByName(name)
			if err != nil || i.Flags&net.FlagUp == 0 {
				continue
			}
			if !joined[i.Index] {
				if err := p.JoinGroup(i, &net.UDPAddr{IP: pnpGroup.Addr().AsSlice()}); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
					r.Log.Warn("pnp", "interface", name, "err", err)
					continue
				}
				joined[i.Index] = true
			}
			if now.IsZero() || now.Sub(probed[i.Index]) >= probeEvery {
				probed[i.Index] = now
				go r.probe(ctx, i)
			}
		}
		select {
		case <-ctx.Done():
			return
		case now = <-every.C:
		}
	}
}

// handle answers one datagram. What is no SUBSCRIBE for ua-profile, and phones that are not recognised, get no answer. Any host can send
// one: a panic ends with it.
func (r *Responder) handle(packet []byte, ifindex int, from netip.AddrPort) {
	defer func() {
		if v := recover(); v != nil {
			r.Log.Error("pnp: panic", "from", from, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	m, err := sip.ParseMessage(packet)
	req, ok := m.(*sip.Request)
	if err != nil || !ok || req.Method != sip.SUBSCRIBE || !isProfile(req) || req.Via() == nil || req.CSeq() == nil || req.From() == nil || req.To() == nil || req.CallID() == nil {
		return
	}
	i, err := net.InterfaceByIndex(ifindex)
	if err != nil {
		return
	}
	s := Subscription{MAC: macOf(req), From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), Interface: i.Name}
	if h := req.GetHeader("User-Agent"); h != nil {
		s.UserAgent = h.Value()
	}
	mac, target, err := r.URL(s)
	if err != nil || target == "" {
		r.Log.Debug("pnp", "from", from, "err", err)
		return
	}
	if err := answer(req, s.From, target, r.Now()); err != nil {
		r.Log.Warn("pnp", "mac", mac, "err", err)
		return
	}
	if r.reportDue(mac) {
		r.Answered(mac, s, target)
	}
}

// reportDue reports whether Answered is to be called for the phone, and remembers that it is.
func (r *Responder) reportDue(mac dhcp.MAC) bool {
	now := r.Now()
	if last, ok := r.reported.Get(mac); ok && now.Sub(last) < reportEvery && !now.Before(last) {
		return false
	}
	r.reported.Put(mac, now, 1)
	return true
}

// isProfile reports whether the request has the event ua-profile.
func isProfile(req *sip.Request) bool {
	h := req.GetHeader("Event")
	if h == nil {
		return false
	}
	event, _, _ := strings.Cut(h.Value(), ";")
	return strings.TrimSpace(event) == "ua-profile"
}

var macInUser = regexp.MustCompile(`(?i)^MAC[:=]?([0-9a-f]{12})$`)

// macOf returns the MAC in the request's URI or From, zero without one. Snom and Gigaset write MAC%3a and the digits as the user, others MAC: or
// MAC, and some have MAC=DIGITS in front of the host.
func macOf(req *sip.Request) dhcp.MAC {
	for _, user := range []string{req.Recipient.User, req.From().Address.User} {
		if plain, err := url.PathUnescape(user); err == nil {
			user = plain
		}
		if m := macInUser.FindStringSubmatch(user); m != nil {
			if mac, err := dhcp.ParseMAC(m[1]); err == nil {
				return mac
			}
		}
	}
	return dhcp.MAC{}
}

// answer sends 200 and then the NOTIFY with the URL, from the address of this host that the phone can reach. The NOTIFY goes to the
// packet's source, and not to where its Contact points: a forged Contact would send it to another host.
func answer(req *sip.Request, to netip.AddrPort, target string, now time.Time) error {
	local, err := localAddr(to)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return err
	}
	defer conn.Close()
	self := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	contact := &sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "plugtone", Host: self.Addr().String(), Port: int(self.Port())}}
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil)
	tag := sip.GenerateTagN(16)
	res.To().Params.Add("tag", tag)
	res.AppendHeader(contact)
	res.AppendHeader(sip.NewHeader("Expires", "0"))
	notify := profileNotify(req, tag, self, to, target)
	notify.AppendHeader(contact)
	for _, packet := range []string{res.String(), notify.String()} {
		if _, err := conn.WriteToUDPAddrPort([]byte(packet), to); err != nil {
			return err
		}
	}
	// The phone's answer is not needed, and it may be repeated until it comes; a port that is closed at once would answer with ICMP.
	_ = conn.SetReadDeadline(now.Add(time.Second))
	_, _, _ = conn.ReadFromUDPAddrPort(make([]byte, 2048))
	return nil
}

// profileNotify returns the NOTIFY of the subscription, in its dialog (RFC 6665, 4.1.2.4).
func profileNotify(req *sip.Request, tag string, self, to netip.AddrPort, target string) *sip.Request {
	n := sip.NewRequest(sip.NOTIFY, sip.Uri{Scheme: "sip", User: req.From().Address.User, Host: to.Addr().String(), Port: int(to.Port())})
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: self.Addr().String(), Port: int(self.Port())}
	via.Params.Add("branch", sip.GenerateBranchN(16))
	from := &sip.FromHeader{Address: req.To().Address}
	from.Params.Add("tag", tag)
	dest := &sip.ToHeader{Address: req.From().Address, Params: req.From().Params}
	for _, h := range []sip.Header{via, sip.NewHeader("Max-Forwards", "70"), from, dest, req.CallID(), &sip.CSeqHeader{SeqNo: 1, MethodName: sip.NOTIFY},
		sip.NewHeader("Event", "ua-profile"), sip.NewHeader("Subscription-State", "terminated;reason=timeout"), sip.NewHeader("Content-Type", "application/url")} {
		n.AppendHeader(h)
	}
	n.SetBody([]byte(target))
	return n
}

// probe sends a SUBSCRIBE as a phone would, and reports who answers it. This host does not: the request names no MAC and comes from no phone.
func (r *Responder) probe(ctx context.Context, i *net.Interface) {
	addrs, err := i.Addrs()
	if err != nil {
		return
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil {
			continue
		}
		if err := r.probeFrom(ctx, i, n.IP.To4()); err != nil {
			r.Log.Debug("pnp probe", "interface", i.Name, "err", err)
		}
		return
	}
}

func (r *Responder) probeFrom(ctx context.Context, i *net.Interface, ip net.IP) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ip})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := ipv4.NewPacketConn(conn)
	if err := errors.Join(p.SetMulticastInterface(i), p.SetMulticastTTL(1)); err != nil {
		return err
	}
	self := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := conn.WriteToUDPAddrPort([]byte(probeRequest(self).String()), pnpGroup); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(r.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	buf := make([]byte, 2048)
	for {
		_, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return nil // no other responder, or the end
		}
		if from.Addr().Unmap() != self.Addr().Unmap() {
			r.Other(i.Name, from.Addr().Unmap())
			return nil
		}
	}
}

// probeRequest returns the SUBSCRIBE of a phone that no maker has made: the MAC is locally administered.
func probeRequest(self netip.AddrPort) *sip.Request {
	const user = "MAC%3a020000000000"
	req := sip.NewRequest(sip.SUBSCRIBE, sip.Uri{Scheme: "sip", User: user, Host: pnpGroup.Addr().String()})
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: self.Addr().String(), Port: int(self.Port())}
	via.Params.Add("branch", sip.GenerateBranchN(16))
	from := &sip.FromHeader{Address: req.Recipient}
	from.Params.Add("tag", sip.GenerateTagN(16))
	id := sip.CallIDHeader(sip.GenerateTagN(24))
	for _, h := range []sip.Header{via, sip.NewHeader("Max-Forwards", "70"), from, &sip.ToHeader{Address: req.Recipient}, &id, &sip.CSeqHeader{SeqNo: 1, MethodName: sip.SUBSCRIBE},
		&sip.ContactHeader{Address: sip.Uri{Scheme: "sip", Host: self.Addr().String(), Port: int(self.Port())}},
		sip.NewHeader("Event", `ua-profile;profile-type="device";vendor="plugtone";model="probe";version="1"`), sip.NewHeader("Expires", "0")} {
		req.AppendHeader(h)
	}
	req.SetBody(nil)
	return req
}
