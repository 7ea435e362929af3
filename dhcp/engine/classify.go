package engine

import (
	"net/netip"

	"plugtone/dhcp"
)

// Classification is what is known about a message before the leases are read: whether it is for this server, in which subnets its
// client may be, and its policy in each. It belongs to one message and may be used for several decisions.
type Classification struct {
	refused    string     // why the message is not for this server; "" when it is
	relay      netip.Addr // the relay that no configured subnet has; zero when the message came through none such
	reserved   netip.Addr
	candidates []candidate // more than one where several subnets are on the client's link
	chosen     bool        // the first is where the client is; the others may have an address for it
}

// candidate is one subnet in which a client may be.
type candidate struct {
	subnet         *servedSubnet
	refused        string // why the message is ignored in this subnet
	trustsOption82 bool
	self           netip.Addr // see exchange
	serverID       netip.Addr
	site           dhcp.Site
	policy         dhcp.Policy
}

// Classify classifies the sender of req. It depends on the configuration, the link, the reservations and the ClientPolicy, which it calls
// once for each subnet that the client may be in, and on no lease: it is called without the lock of the lease table.
func (e *Engine) Classify(req *dhcp.Request, link *dhcp.Link) *Classification {
	in := ingress{req: req, link: link}
	if why := in.refuse(e.cfg.Mode); why != "" {
		return &Classification{refused: why}
	}
	subnets, chosen := e.subnetsFor(req, link)
	if len(subnets) == 0 {
		if in.relayed() {
			return &Classification{refused: "relay " + req.GIAddr.String() + " is in no configured subnet", relay: req.GIAddr}
		}
		return &Classification{refused: "the message comes from no configured subnet"}
	}
	c := &Classification{candidates: make([]candidate, len(subnets)), chosen: chosen}
	if e.reserve != nil {
		c.reserved, _ = e.reserve.Reserved(req.MAC)
	}
	for i, s := range subnets {
		in.subnet = s
		c.candidates[i] = e.classifyClient(in)
	}
	return c
}

// classifyClient determines the policy and the addresses for the client in one subnet.
func (e *Engine) classifyClient(in ingress) candidate {
	c := candidate{subnet: in.subnet, trustsOption82: in.relayed() || in.subnet.TrustOption82}
	if c.refused = in.mismatch(e); c.refused != "" {
		return c
	}
	if c.refused = in.refuseRelay(); c.refused != "" {
		return c
	}
	local := in.localAddr()
	if c.self = local; in.link.Unicast() {
		c.self = in.link.Dest // C16: a client, or a firewall on the path, expects the answer from there
	}
	if !c.self.Is4() || !local.Is4() {
		c.refused = "this host has no IPv4 address on " + in.link.Interface
		return c
	}
	c.serverID = c.self
	if c.trustsOption82 && in.req.ServerOverride.IsValid() {
		c.serverID = in.req.ServerOverride // RFC 5107, 4
	}
	s := in.subnet
	c.site = dhcp.Site{Subnet: s.Prefix, Phones: s.Phones, NextServer: s.NextServer, ProvisioningURL: s.ProvisioningURL, VoiceVLAN: s.VoiceVLAN}
	if !c.site.NextServer.IsValid() {
		c.site.NextServer = local
	}
	if c.site.ProvisioningURL == "" {
		c.site.ProvisioningURL = "http://" + c.site.NextServer.String() + "/"
	}
	if e.clientPolicy != nil {
		c.policy = e.clientPolicy.PolicyFor(c.evidence(in.req), c.site)
	}
	return c
}

// evidence returns the client's data as far as it is trusted in this subnet.
func (c *candidate) evidence(req *dhcp.Request) dhcp.Client {
	client := req.Client
	if !c.trustsOption82 { // C29: any host could have sent it
		client.CircuitID, client.RemoteID = "", ""
	}
	return client
}

// localAddr returns the address of this host that the kernel uses towards the client or its relay: on the link the one in the
// client's subnet (C16).
func (in *ingress) localAddr() netip.Addr {
	link := in.link
	if in.relayed() || link.Unicast() && in.req.CIAddr.IsValid() && !link.Attached(in.req.CIAddr) {
		if link.LocalAddr.IsValid() {
			return link.LocalAddr
		}
		if link.Unicast() {
			return link.Dest
		}
	}
	for _, p := range link.Addrs {
		if in.subnet.Prefix.Contains(p.Addr()) {
			return p.Addr()
		}
	}
	if len(link.Addrs) > 0 {
		return link.Addrs[0].Addr()
	}
	if link.Unicast() {
		return link.Dest
	}
	return netip.Addr{}
}
