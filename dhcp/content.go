package dhcp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// plan is a subnet with its options encoded once.
type servedSubnet struct {
	Subnet
	opts []Option
	at   [256]uint8 // index into opts plus one, by code

	unconfigured bool // stands in for a subnet that is not configured
}

func newServedSubnet(s *Subnet) servedSubnet {
	p := servedSubnet{Subnet: *s}
	mask := addr4(^uint32(0) << (32 - s.Prefix.Bits()))
	p.set(optSubnetMask, []netip.Addr{mask})
	p.set(optRouter, s.Routers)
	p.set(optDNS, s.DNSServers)
	if s.DomainName != "" {
		p.put(Option{Code: optDomainName, Data: []byte(s.DomainName)})
	}
	p.set(optBroadcast, []netip.Addr{last(s.Prefix)})
	p.set(optNTP, s.NTPServers)
	for _, o := range s.Options {
		p.put(o)
	}
	return p
}

func (p *servedSubnet) set(code uint8, addrs []netip.Addr) {
	var data []byte
	for _, a := range addrs {
		b := a.As4()
		data = append(data, b[:]...)
	}
	if len(data) > 0 {
		p.put(Option{Code: code, Data: data})
	}
}

// put adds an option; one that is there already gives way to it.
func (p *servedSubnet) put(o Option) {
	if i := p.at[o.Code]; i > 0 {
		p.opts[i-1] = o
		return
	}
	p.opts = append(p.opts, o)
	p.at[o.Code] = uint8(len(p.opts))
}

// informPlan stands in for a subnet that is not configured, where only INFORMs are answered.
func unconfiguredSubnet(from netip.Addr) *servedSubnet {
	prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 0)
	if from.Is4() {
		prefix = netip.PrefixFrom(from, 32)
	}
	return &servedSubnet{Subnet: Subnet{Prefix: prefix, Phones: PhonesProvision}, unconfigured: true}
}

// newReply starts a reply with what is copied from the request (RFC 2131, table 3; C19).
func (q *exchange) newReply(t MessageType) *Reply {
	return &Reply{
		Type: t, XID: q.req.XID, Flags: q.req.Flags, CHAddr: q.req.CHAddr, GIAddr: q.req.GIAddr,
		ServerID: q.serverID, From: q.self, RelayInfo: q.req.RelayInfo, MaxSize: q.req.MaxSize, Overload: q.req.HasParams,
	}
}

// nak tells the client to start again (C20).
func (q *exchange) nak(addr netip.Addr, why string) Decision {
	q.d.Event.Addr = addr
	if q.refusedByUnwritten(addr) {
		return q.silent(VerdictInternalError, "leases can't be written; "+why)
	}
	q.d.Unhold = true
	r := q.newReply(MessageTypeNak)
	r.Overload = false // C20: sname and file stay empty
	id := q.serverID.As4()
	r.Options = []Option{{Code: optMessageType, Data: []byte{byte(MessageTypeNak)}}, {Code: optServerID, Data: id[:]}, {Code: optMessage, Data: []byte(why)}}
	q.echoClientID(r)
	return q.answer(r, VerdictNak, why)
}

// refusedByUnwritten reports whether the client would be refused addr only for what isn't on disk, an offer or a lease under way, while
// writes fail: a NAK would send it away for an internal error.
func (q *exchange) refusedByUnwritten(addr netip.Addr) bool {
	if !q.v.writeFailed && !q.link.NoWrite {
		return false
	}
	e := q.v.addressState(addr)
	return e != nil && (e.offered(q.now) || e.pending > 0) && !(e.durable.endsAfter(q.now, packedActive) && e.durable.mac != q.mac())
}

// leaseTime is the time the client is given, in seconds: C35.
func (q *exchange) leaseTime() uint32 {
	d := q.sub.OtherLeaseTime
	if q.phone {
		d = q.sub.LeaseTime
		if q.sub.Phones == PhonesMove {
			d = moveLease
		}
	}
	most := uint32(d / time.Second)
	if asked := q.req.LeaseTime; asked > 0 && asked < most {
		return max(asked, min(most, uint32(minLease/time.Second)))
	}
	return most
}

// renewalTimes are T1 and T2: half and seven eighths of the lease, moved down by up to an eighth by a hash of the MAC, so that
// phones that booted together don't renew together (C34).
func renewalTimes(secs uint32, mac MAC) (t1, t2 uint32) {
	h := uint32(2166136261)
	for _, b := range mac {
		h = (h ^ uint32(b)) * 16777619
	}
	h ^= h >> 15
	part := func(t, n uint32) uint32 { return t - uint32(uint64(t/n)*uint64(h%1024)/1024) }
	t1, t2 = secs/2, uint32(uint64(secs)*7/8)
	return part(t1, 8), part(t2, 16)
}

// fill writes the options in the order of C22: message type, server, what the client asked for in its order with the
// mask before the router, times, what is forced, the client's id. secs is 0 for an INFORM.
func (q *exchange) fill(r *Reply, secs uint32) {
	if q.sub.Phones == PhonesProvision {
		r.SIAddr = q.site.NextServer
	}
	f := filler{q: q, out: make([]Option, 0, 12)}
	fixed := make([]byte, 17)
	fixed[0] = byte(r.Type)
	id := q.serverID.As4()
	copy(fixed[1:], id[:])
	f.out = append(f.out, Option{Code: optMessageType, Data: fixed[:1:1]}, Option{Code: optServerID, Data: fixed[1:5:5]})
	if r.Type == MessageTypeAck && q.req.Type == MessageTypeDiscover {
		f.out = append(f.out, Option{Code: optRapidCommit})
	}
	f.asked()
	if secs > 0 {
		binary.BigEndian.PutUint32(fixed[5:], secs)
		f.out = append(f.out, Option{Code: optLeaseTime, Data: fixed[5:9:9]})
		if secs != infinite {
			t1, t2 := renewalTimes(secs, q.mac())
			binary.BigEndian.PutUint32(fixed[9:], t1)
			binary.BigEndian.PutUint32(fixed[13:], t2)
			f.out = append(f.out, Option{Code: optT1, Data: fixed[9:13:13]}, Option{Code: optT2, Data: fixed[13:17:17]})
		}
	}
	for i := range q.policy.Options {
		if o := &q.policy.Options[i]; o.Force {
			f.add(o.Code)
		}
	}
	if s := q.req.SubnetSelection; s.IsValid() && q.sub.Prefix.Contains(s) { // RFC 3011, 3
		b := s.As4()
		f.out = append(f.out, Option{Code: optSubnetSelection, Data: b[:]})
	}
	r.Options = f.out
	q.echoClientID(r)
}

// echoClientID repeats option 61 (RFC 6842, 3), except for phones that reject it.
func (q *exchange) echoClientID(r *Reply) {
	if id := q.req.Client.ClientID; id != "" && !q.policy.NoClientIDEcho {
		r.Options = append(r.Options, Option{Code: optClientID, Data: []byte(id)})
	}
}

// filler collects options, each once.
type filler struct {
	q    *exchange
	out  []Option
	sent [4]uint64
}

// asked adds what the parameter request list names; everything there is for a client that sent none.
func (f *filler) asked() {
	q := f.q
	if !q.req.HasParams {
		for i := range q.sub.opts {
			if q.sub.opts[i].Code != optBroadcast {
				f.add(q.sub.opts[i].Code)
			}
		}
		for i := range q.policy.Options {
			f.add(q.policy.Options[i].Code)
		}
		return
	}
	params := q.req.Client.Params
	if !slices.Contains(params, optSubnetMask) {
		f.add(optSubnetMask) // never harmful, and who doesn't ask guesses the mask from the address's class
	}
	for _, p := range params {
		if p == optRouter {
			f.add(optSubnetMask) // RFC 2132, 3.3; C21
		}
		f.add(p)
	}
}

// add adds the option code if there is one and it is not there yet.
func (f *filler) add(code uint8) {
	if f.sent[code/64]&(1<<(code%64)) != 0 {
		return
	}
	if o, ok := f.q.option(code); ok {
		f.sent[code/64] |= 1 << (code % 64)
		f.out = append(f.out, o)
	}
}

// option finds the option code: the vendor's own beats the subnet's.
func (q *exchange) option(code uint8) (Option, bool) {
	for _, o := range q.policy.Options {
		if o.Code == code && settable(code) == nil {
			return q.terminate(o), true
		}
	}
	if i := q.sub.at[code]; i > 0 {
		return q.terminate(q.sub.opts[i-1]), true
	}
	if code == optTFTPServer && q.sub.Phones == PhonesProvision { // whoever asks for it can have the plain URL
		return q.terminate(Option{Code: code, Data: []byte(q.site.ProvisioningURL)}), true
	}
	return Option{}, false
}

// terminate appends the NUL that some phones want in texts (C31).
func (q *exchange) terminate(o Option) Option {
	if !q.policy.NULTerminate {
		return o
	}
	switch o.Code {
	case optHostname, optDomainName, optTFTPServer, optBootFile:
		if n := len(o.Data); n > 0 && o.Data[n-1] != 0 {
			o.Data = append(slices.Clip(o.Data), 0)
		}
	}
	return o
}
