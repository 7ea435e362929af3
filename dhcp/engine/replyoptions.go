package engine

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"plugtone/dhcp"
)

// servedSubnet is a subnet with its options encoded once.
type servedSubnet struct {
	dhcp.Subnet
	opts []dhcp.Option
	at   [256]uint8 // index into opts plus one, by code

	unconfigured bool   // see unconfiguredSubnet
	exhausted    string // the reason when no address is free here
}

func newServedSubnet(s *dhcp.Subnet) servedSubnet {
	p := servedSubnet{Subnet: *s, exhausted: "no address is free for it in " + s.Prefix.String()}
	mask := netip.AddrFrom4([4]byte(net.CIDRMask(s.Prefix.Bits(), 32)))
	p.set(dhcp.OptionSubnetMask, []netip.Addr{mask})
	p.set(dhcp.OptionRouter, s.Routers)
	p.set(dhcp.OptionDNS, s.DNSServers)
	if s.DomainName != "" {
		p.put(dhcp.Option{Code: dhcp.OptionDomainName, Data: []byte(s.DomainName)})
	}
	p.set(dhcp.OptionBroadcast, []netip.Addr{dhcp.LastAddr(s.Prefix)})
	p.set(dhcp.OptionNTP, s.NTPServers)
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
		p.put(dhcp.Option{Code: code, Data: data})
	}
}

// put adds an option, or replaces the one with the same code.
func (p *servedSubnet) put(o dhcp.Option) {
	if i := p.at[o.Code]; i > 0 {
		p.opts[i-1] = o
		return
	}
	p.opts = append(p.opts, o)
	p.at[o.Code] = uint8(len(p.opts))
}

// unconfiguredSubnet returns a substitute for a subnet that is not configured, where only INFORMs are answered.
func unconfiguredSubnet(from netip.Addr) *servedSubnet {
	prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 0)
	if from.Is4() {
		prefix = netip.PrefixFrom(from, 32)
	}
	return &servedSubnet{Subnet: dhcp.Subnet{Prefix: prefix, Phones: dhcp.PhonesProvision}, unconfigured: true}
}

// newReply returns a reply with the fields that are copied from the request (RFC 2131, table 3; C19).
func (x *exchange) newReply(t dhcp.MessageType) *dhcp.Reply {
	return &dhcp.Reply{
		Type: t, XID: x.req.XID, Flags: x.req.Flags, CHAddr: x.req.CHAddr, GIAddr: x.req.GIAddr,
		ServerID: x.serverID, From: x.self, RelayInfo: x.req.RelayInfo, MaxSize: x.req.MaxSize, Overload: x.req.HasParams,
	}
}

// renewalTimes are T1 and T2: half and seven eighths of the lease, moved down by up to an eighth by a hash of the MAC, so that
// phones that booted together don't renew together (C34).
func renewalTimes(secs uint32, mac dhcp.MAC) (t1, t2 uint32) {
	h := uint32(2166136261)
	for _, b := range mac {
		h = (h ^ uint32(b)) * 16777619
	}
	h ^= h >> 15
	part := func(t, n uint32) uint32 { return t - uint32(uint64(t/n)*uint64(h%1024)/1024) }
	t1, t2 = secs/2, uint32(uint64(secs)*7/8)
	return part(t1, 8), part(t2, 16)
}

// fill adds the options in the order of C22: message type, server, the requested options in the client's order with the mask before the
// router, times, forced options, client identifier. secs is the lease time in seconds, 0 for an INFORM.
func (x *exchange) fill(r *dhcp.Reply, secs uint32) {
	if x.subnet.Phones == dhcp.PhonesProvision {
		r.SIAddr = x.site.NextServer
	}
	buf := new(struct {
		options [12]dhcp.Option
		fixed   [17]byte // values of options that are always sent
	})
	f, fixed := optionWriter{x: x, out: buf.options[:0]}, buf.fixed[:]
	fixed[0] = byte(r.Type)
	id := x.serverID.As4()
	copy(fixed[1:], id[:])
	f.out = append(f.out, dhcp.Option{Code: dhcp.OptionMessageType, Data: fixed[:1:1]}, dhcp.Option{Code: dhcp.OptionServerID, Data: fixed[1:5:5]})
	if r.Type == dhcp.MessageTypeAck && x.req.Type == dhcp.MessageTypeDiscover {
		f.out = append(f.out, dhcp.Option{Code: dhcp.OptionRapidCommit})
	}
	f.requested()
	if secs > 0 {
		binary.BigEndian.PutUint32(fixed[5:], secs)
		f.out = append(f.out, dhcp.Option{Code: dhcp.OptionLeaseTime, Data: fixed[5:9:9]})
		if secs != dhcp.InfiniteLease {
			t1, t2 := renewalTimes(secs, x.mac)
			binary.BigEndian.PutUint32(fixed[9:], t1)
			binary.BigEndian.PutUint32(fixed[13:], t2)
			f.out = append(f.out, dhcp.Option{Code: dhcp.OptionT1, Data: fixed[9:13:13]}, dhcp.Option{Code: dhcp.OptionT2, Data: fixed[13:17:17]})
		}
	}
	for i := range x.policy.Options {
		if o := &x.policy.Options[i]; o.Force {
			f.add(o.Code)
		}
	}
	if s := x.req.SubnetSelection; s.IsValid() && x.subnet.Prefix.Contains(s) { // RFC 3011, 3
		b := s.As4()
		f.out = append(f.out, dhcp.Option{Code: dhcp.OptionSubnetSelection, Data: b[:]})
	}
	r.Options = f.out
	echoClientID(r, x.req, &x.policy)
}

// echoClientID repeats option 61 (RFC 6842, 3), except for phones that reject it.
func echoClientID(r *dhcp.Reply, req *dhcp.Request, policy *dhcp.Policy) {
	if id := req.Client.ClientID; id != "" && !policy.NoClientIDEcho {
		r.Options = append(r.Options, dhcp.Option{Code: dhcp.OptionClientID, Data: []byte(id)})
	}
}

// optionWriter collects options, each once.
type optionWriter struct {
	x    *exchange
	out  []dhcp.Option
	sent [4]uint64
}

// requested adds the options of the parameter request list, or all options for a client that sent none.
func (f *optionWriter) requested() {
	x := f.x
	if !x.req.HasParams {
		for i := range x.subnet.opts {
			if x.subnet.opts[i].Code != dhcp.OptionBroadcast {
				f.add(x.subnet.opts[i].Code)
			}
		}
		for i := range x.policy.Options {
			f.add(x.policy.Options[i].Code)
		}
		return
	}
	params := x.req.Client.Params
	if !slices.Contains(params, dhcp.OptionSubnetMask) {
		f.add(dhcp.OptionSubnetMask) // harmless, and a client without it would derive the mask from the address class
	}
	for _, p := range params {
		if p == dhcp.OptionRouter {
			f.add(dhcp.OptionSubnetMask) // RFC 2132, 3.3; C21
		}
		f.add(p)
	}
}

// add adds an option if it has a value and was not added before.
func (f *optionWriter) add(code uint8) {
	if f.sent[code/64]&(1<<(code%64)) != 0 {
		return
	}
	if o, ok := f.option(code); ok {
		f.sent[code/64] |= 1 << (code % 64)
		f.out = append(f.out, o)
	}
}

// option returns the value of an option: the vendor's, else the subnet's. For option 66 (OptionTFTPServer) there is a third, the plain URL: provisioning_url
// of the subnet, else http://NEXT_SERVER/, in no form of a vendor.
func (f *optionWriter) option(code uint8) (dhcp.Option, bool) {
	x := f.x
	for _, o := range x.policy.Options {
		if o.Code == code && dhcp.CheckSettable(code) == nil {
			return terminate(&x.policy, o), true
		}
	}
	if i := x.subnet.at[code]; i > 0 {
		return terminate(&x.policy, x.subnet.opts[i-1]), true
	}
	if code == dhcp.OptionTFTPServer && x.subnet.Phones == dhcp.PhonesProvision { // option 66, of a client without a vendor's value
		return terminate(&x.policy, dhcp.Option{Code: code, Data: []byte(x.site.ProvisioningURL)}), true
	}
	return dhcp.Option{}, false
}

// terminate appends the NUL that some phones require in texts (C31).
func terminate(p *dhcp.Policy, o dhcp.Option) dhcp.Option {
	if !p.NULTerminate {
		return o
	}
	switch o.Code {
	case dhcp.OptionHostname, dhcp.OptionDomainName, dhcp.OptionTFTPServer, dhcp.OptionBootFile:
		if n := len(o.Data); n > 0 && o.Data[n-1] != 0 {
			o.Data = append(slices.Clip(o.Data), 0)
		}
	}
	return o
}
