package provision

import (
	"net/netip"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
)

// requester is what is known of the sender of a request without reading a record.
type requester struct {
	source   trust.Source
	agent    pack.Identity         // from the user agent alone
	sent     *httpauth.Credentials // that came with the request; nil without
	evidence trust.Evidence        // all but what is in the records
}

// authorizer finds out which phone a requester is.
type authorizer struct {
	records  fleet.Records
	leases   Leases
	neighbor func(netip.Addr) (dhcp.MAC, bool)
	issuer   *httpauth.Issuer
	trust    *trust.Service
}

// identify collects the evidence that needs no record.
func (s authorizer) identify(q *fileRequest) requester {
	r, g, name := &q.Request, q.generation, &q.name
	who := requester{
		source: trust.Source{Addr: r.From.Unmap(), Datagram: r.Transport == fleet.TFTP},
		agent:  g.identifyAgent(r.UserAgent),
	}
	e := trust.Evidence{Time: r.Time, From: who.source.Addr, Place: g.site.TrustAt(who.source.Addr), FilenameMAC: name.MAC, UserAgentMAC: who.agent.MAC}
	if r.Transport == fleet.Preview && !r.As.IsZero() {
		e.Preview = r.As
		who.evidence = e
		return who
	}
	if l, ok := s.leases.LeaseAt(e.From); ok {
		e.Lease = &l
		if e.Place.Accepts(trust.ProofLease) {
			e.LeaseDoubt = s.trust.LeaseDoubt(l)
		}
	}
	if mac := firstMAC(e.FilenameMAC, e.UserAgentMAC); !mac.IsZero() && s.trust.Enrolled(mac, e.From, r.Time) {
		e.Enrolled = mac
	}
	if r.Authorization != "" {
		if c, ok := httpauth.Parse(r.Authorization); ok {
			who.sent = &c
		} else {
			e.Error = "the Authorization header is neither basic nor digest"
		}
	}
	who.evidence = e
	return who
}

// firstMAC returns the first that is not zero.
func firstMAC(macs ...dhcp.MAC) (mac dhcp.MAC) {
	for _, m := range macs {
		if !m.IsZero() {
			return m
		}
	}
	return mac
}

// place is where the requester is.
func (w *requester) place() trust.Place { return w.evidence.Place }

// lease is the confirmed lease of the requester's address; nil without one.
func (w *requester) lease() *dhcp.Lease { return w.evidence.Lease }

// claimed is the phone that the credentials are for, whether it exists or not: by the user, else by the name of the file.
func (w *requester) claimed() dhcp.MAC {
	mac, err := dhcp.ParseMAC(w.sent.User)
	if err != nil {
		mac = w.evidence.FilenameMAC
	}
	return mac
}
