package dhcp

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Reservations answers from memory which addresses belong to which client.
type Reservations interface {
	Reserved(MAC) (netip.Addr, bool)
	HolderOf(netip.Addr) (MAC, bool)
}

// Decision is what is to be done about one message.
type Decision struct {
	Reply   *Reply     // nil: silent
	Changes []Change   // must be durable before the reply leaves
	Probe   netip.Addr // valid: probe this address, tell the table, then decide again; nothing is sent meanwhile
	Hold    netip.Addr // valid: remember this address as offered to the client
	Unhold  bool       // forget what was offered to the client; comes before Hold
	Event   Event
}

// Engine decides. It holds the configuration and nothing that changes; a reload makes a new one.
type Engine struct {
	cfg          Config
	subnets      []servedSubnet
	reserve      Reservations
	clientPolicy ClientPolicy
	queries      sync.Pool // of *query: one is a kilobyte, and there is one for each packet
}

// NewEngine checks cfg and returns an engine, or all faults of cfg joined. r and a may be nil.
func NewEngine(cfg Config, r Reservations, a ClientPolicy) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg.withDefaults(), reserve: r, clientPolicy: a}
	for i := range e.cfg.Subnets {
		e.subnets = append(e.subnets, newServedSubnet(&e.cfg.Subnets[i]))
	}
	return e, nil
}

// Leases tells whether the engine hands out addresses: where it doesn't, another server is no rogue.
func (e *Engine) Leases() bool { return e.cfg.Mode == ModeServe }

// query is one message while it is decided about.
type exchange struct {
	e    *Engine
	now  time.Time
	req  *Request
	link *Link
	v    *Leases

	sub      *servedSubnet
	tried    []*servedSubnet // subnets of the link without an address for it
	site     Site
	self     netip.Addr // our address that the client or its relay wrote to, else the one towards it: replies come from it
	serverID netip.Addr // option 54: self unless a relay overrides it
	policy   Policy
	phone    bool       // recognised or recorded, where phones count
	reserved netip.Addr // this client's reservation, in whatever subnet
	d        Decision
}

func (q *exchange) mac() MAC { return q.req.MAC }

// Decide says what is to be done about req. It does no I/O, takes no lock and reads no clock.
func (e *Engine) Decide(now time.Time, req *Request, link *Link, v *Leases) Decision {
	q, ok := e.queries.Get().(*exchange)
	if !ok {
		q = new(exchange)
	}
	*q = exchange{e: e, now: now, req: req, link: link, v: v}
	d := q.decide()
	*q = exchange{} // it keeps nothing of the client's
	e.queries.Put(q)
	return d
}

func (q *exchange) decide() Decision {
	e, req, link := q.e, q.req, q.link
	q.d.Event = Event{Time: q.now, MAC: req.MAC, XID: req.XID, Type: req.Type, Interface: link.Interface, Client: req.Client}
	if why := q.refuse(); why != "" {
		return q.silent(VerdictIgnored, why)
	}
	q.sub = e.chooseSubnet(req, link, q.v)
	if q.sub == nil {
		return q.silent(VerdictIgnored, "no subnet of the configuration is where this message comes from")
	}
	if why := e.ingressMismatch(q.sub, req, link); why != "" {
		return q.silent(VerdictIgnored, why)
	}
	if why := q.refuseRelay(); why != "" {
		return q.silent(VerdictIgnored, why)
	}
	if !q.resolveServer() {
		return q.silent(VerdictIgnored, "this host has no IPv4 address on "+link.Interface)
	}
	switch req.Type {
	case MessageTypeDiscover:
		d := q.discover()
		for d.Event.Verdict == VerdictExhausted && q.nextSubnet() {
			d = q.discover()
		}
		return d
	case MessageTypeRequest:
		return q.request()
	case MessageTypeDecline:
		return q.decline()
	case MessageTypeRelease:
		return q.release()
	default:
		return q.inform()
	}
}

// enter finds out who we are in the subnet, and who asks; false when we are nobody.
func (q *exchange) resolveServer() bool {
	near := q.ownAddr()
	if q.self = near; q.link.unicast() {
		q.self = q.link.Dest // C16: a client, or a firewall on its way, expects the answer from there
	}
	if !q.self.Is4() || !near.Is4() {
		return false
	}
	q.classifyClient(near)
	return true
}

// nextSubnet goes on to another subnet of the link that the client is on: where one has no address for it, another may have.
func (q *exchange) nextSubnet() bool {
	if q.req.GIAddr.IsValid() || q.req.SubnetSelection.IsValid() || q.sub.Interface == "" {
		return false
	}
	q.tried = append(q.tried, q.sub)
	for i := range q.e.subnets {
		p := &q.e.subnets[i]
		permitted := p.Phones == q.sub.Phones || !q.policy.Phone // a phone is none in an ordinary network
		if permitted && p.Interface == q.sub.Interface && !slices.Contains(q.tried, p) {
			q.sub, q.d = p, Decision{Event: Event{Time: q.now, MAC: q.req.MAC, XID: q.req.XID, Type: q.req.Type, Interface: q.link.Interface}}
			return q.resolveServer()
		}
	}
	return false
}

// refuse says why a message is none of ours, whatever it asks.
func (q *exchange) refuse() string {
	switch q.req.Type {
	case MessageTypeDiscover, MessageTypeRequest, MessageTypeDecline, MessageTypeRelease, MessageTypeInform:
	case 0:
		return "plain BOOTP, without a message type" // C47
	default:
		return "message type " + q.req.Type.String() + " is no client's request" // C47, C52
	}
	if q.e.cfg.Mode == ModeOff || q.e.cfg.Mode == ModeInform && q.req.Type != MessageTypeInform {
		return "dhcp.mode " + q.e.cfg.Mode + " doesn't answer it"
	}
	if g := q.req.GIAddr; g.IsValid() && (bogus(g) || q.link.owns(g)) { // C18
		return "relay address " + g.String() + " can't be a relay's"
	}
	if c := q.req.CIAddr; c.IsValid() && (bogus(c) || q.link.owns(c)) {
		return "client address " + c.String() + " can't be a client's"
	}
	src := nonZero(q.link.Source.Addr())
	named := q.req.GIAddr.IsValid() || q.req.CIAddr.IsValid() || q.req.Type == MessageTypeInform
	if !named && src.IsValid() && q.link.unicast() && !q.link.attached(src) {
		// A client without an address broadcasts. This one was routed here, and its answer would go to the link.
		return "its sender " + src.String() + " is not on the link, and it names neither a relay nor its address"
	}
	return ""
}

// bogus tells whether a can't be the address of a host.
func bogus(a netip.Addr) bool {
	b := a.As4()
	return b[0] == 0 || b[0] == 127 || b[0] >= 224
}

// strays says why a message about p, a subnet of phones, is not believed where it came in; "" when it is. A client of another kind
// of network may have borrowed a phone's MAC, and could end its lease by a forged relay or client address.
func (e *Engine) ingressMismatch(p *servedSubnet, req *Request, link *Link) string {
	if p.Phones != PhonesProvision {
		return ""
	}
	relayed := req.GIAddr.IsValid()
	if p.Interface != link.Interface {
		stray := !relayed && p.Interface != "" && link.ReversePathMismatch
		for i := range e.subnets {
			o := &e.subnets[i]
			stray = stray || o.Interface == link.Interface && o.Phones != PhonesProvision && (link.ReversePathMismatch || o.Prefix.Contains(req.GIAddr))
		}
		if stray {
			return "it came in on " + link.Interface + ", which is not the way to subnet " + p.Prefix.String()
		}
	}
	src := link.Source.Addr()
	o := e.subnetOf(src)
	switch {
	case o == nil || o.Phones == PhonesProvision:
		return ""
	case !relayed && link.unicast(): // a router leaves a client's own address as it is
		return "its sender " + src.String() + " is in " + o.Prefix.String() + ", not in subnet " + p.Prefix.String()
	case relayed && o.Interface != link.Interface && !slices.Contains(o.Routers, src):
		return "its sender " + src.String() + " is in " + o.Prefix.String() + " and none of the routers there"
	}
	return ""
}

// planFor finds the subnet: by link selection, subnet selection, relay address, then by the link itself (C30).
func (e *Engine) chooseSubnet(req *Request, link *Link, v *Leases) *servedSubnet {
	from := req.CIAddr
	if req.Type == MessageTypeInform && !from.IsValid() {
		from = nonZero(link.Source.Addr())
	}
	p := e.configuredSubnet(req, link, v, from)
	if p == nil && req.Type == MessageTypeInform && from.IsValid() { // C17: whoever leased it its address, we know of its provisioning
		return unconfiguredSubnet(from)
	}
	return p
}

// servedPlan finds the subnet among those of the configuration. from is the address that the client has, if it has one.
func (e *Engine) configuredSubnet(req *Request, link *Link, v *Leases, from netip.Addr) *servedSubnet {
	if req.GIAddr.IsValid() {
		at := req.GIAddr
		switch {
		case req.LinkSelection.IsValid():
			at = req.LinkSelection
		case req.SubnetSelection.IsValid():
			at = req.SubnetSelection
		}
		return e.subnetOf(at)
	}
	here := func(p *servedSubnet) bool { return p != nil && p.Interface != "" && p.Interface == link.Interface }
	if a := req.SubnetSelection; a.IsValid() {
		if p := e.subnetOf(a); here(p) { // elsewhere it would let any client reach into any subnet
			return p
		}
	}
	if from.IsValid() {
		if p := e.subnetOf(from); here(p) || p != nil && link.unicast() { // a routed client writes to us directly
			return p
		}
	}
	if req.ServerID.IsValid() { // what it was offered may be where it has nothing yet
		if p := e.subnetOf(req.Requested); here(p) {
			return p
		}
	}
	return e.attachedSubnet(req, here, v)
}

func (e *Engine) subnetOf(a netip.Addr) *servedSubnet {
	for i := range e.subnets {
		if e.subnets[i].Prefix.Contains(a) {
			return &e.subnets[i]
		}
	}
	return nil
}

// attachedPlan chooses among the subnets of one link: where the client has a reservation, a lease, asks for an address, or had
// a lease before.
func (e *Engine) attachedSubnet(req *Request, here func(*servedSubnet) bool, v *Leases) *servedSubnet {
	var first *servedSubnet
	several := false
	for i := range e.subnets {
		if p := &e.subnets[i]; here(p) {
			several = first != nil
			if several {
				break
			}
			first = p
		}
	}
	if !several {
		return first
	}
	if e.reserve != nil {
		if r, ok := e.reserve.Reserved(req.MAC); ok {
			if p := e.subnetOf(r); here(p) {
				return p
			}
		}
	}
	var before *servedSubnet
	for i := range e.subnets {
		p := &e.subnets[i]
		if !here(p) {
			continue
		}
		l, ok := v.Of(p.Prefix, req.MAC)
		if ok && l.State == LeaseActive && l.Expires.After(v.now) {
			return p
		}
		if ok && before == nil {
			before = p
		}
	}
	if p := e.subnetOf(req.Requested); here(p) {
		return p
	}
	if before != nil {
		return before
	}
	return first
}

// meet finds out who asks and what this host, whose address there is near, is called.
func (q *exchange) classifyClient(near netip.Addr) {
	q.serverID = q.self
	trusted := q.req.GIAddr.IsValid() || q.sub.TrustOption82
	if trusted && q.req.ServerOverride.IsValid() {
		q.serverID = q.req.ServerOverride // RFC 5107, 4
	}
	client := q.req.Client
	if !trusted { // C29: anybody could have written it
		client.CircuitID, client.RemoteID = "", ""
	}
	q.site = Site{Subnet: q.sub.Prefix, Phones: q.sub.Phones, NextServer: q.sub.NextServer, ProvisioningURL: q.sub.ProvisioningURL, VoiceVLAN: q.sub.VoiceVLAN}
	if !q.site.NextServer.IsValid() {
		q.site.NextServer = near
	}
	if q.site.ProvisioningURL == "" {
		q.site.ProvisioningURL = "http://" + q.site.NextServer.String() + "/"
	}
	if q.e.clientPolicy != nil {
		q.policy = q.e.clientPolicy.PolicyFor(client, q.site)
	}
	q.phone = q.policy.Phone && q.sub.Phones != PhonesNone
	if q.e.reserve != nil {
		if r, ok := q.e.reserve.Reserved(q.mac()); ok {
			q.reserved = r
		}
	}
	ev := &q.d.Event
	ev.Subnet, ev.Client = q.sub.Prefix, client
	ev.Vendor, ev.Model, ev.Phone, ev.Recorded = q.policy.Vendor, q.policy.Model, q.policy.Phone, q.policy.Recorded
}

// ownAddr is the address of this host that the kernel uses towards the client or its relay: on the link the one in the
// client's subnet (C16).
func (q *exchange) ownAddr() netip.Addr {
	if q.req.GIAddr.IsValid() || q.link.unicast() && q.req.CIAddr.IsValid() && !q.link.attached(q.req.CIAddr) {
		if q.link.LocalAddr.IsValid() {
			return q.link.LocalAddr
		}
		if q.link.unicast() {
			return q.link.Dest
		}
	}
	for _, p := range q.link.Addrs {
		if q.sub.Prefix.Contains(p.Addr()) {
			return p.Addr()
		}
	}
	if len(q.link.Addrs) > 0 {
		return q.link.Addrs[0].Addr()
	}
	if q.link.unicast() {
		return q.link.Dest
	}
	return netip.Addr{}
}

// ours tells whether a server identifier names this server.
func (q *exchange) ours(id netip.Addr) bool { return id == q.serverID || q.link.owns(id) }

// silent ends a decision without a reply.
func (q *exchange) silent(v Verdict, reason string) Decision {
	q.d.Event.Verdict, q.d.Event.Reason = v, reason
	return q.d
}

func (q *exchange) silentf(v Verdict, format string, args ...any) Decision {
	return q.silent(v, fmt.Sprintf(format, args...))
}

// answer ends a decision with r.
func (q *exchange) answer(r *Reply, v Verdict, reason string) Decision {
	q.d.Reply, q.d.Event.Reply = r, r
	q.d.Event.Verdict, q.d.Event.Reason = v, reason
	return q.d
}
