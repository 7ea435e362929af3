package provision

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
)

// named is the MAC in the file name. Packs that claim the same name read the same MAC in it.
func (q *inquiry) named() dhcp.MAC {
	for _, m := range q.matches {
		if !m.MAC.IsZero() {
			return m.MAC
		}
	}
	return dhcp.MAC{}
}

// authorize gathers the evidence and decides who asks.
func (q *inquiry) authorize() error {
	e := trust.Evidence{Time: q.now, From: q.r.From.Unmap(), FilenameMAC: q.named(), UserAgentMAC: q.agent.MAC}
	e.Place = q.site.TrustAt(e.From)
	q.place = e.Place
	if q.r.Transport == fleet.Preview {
		e.Preview = q.r.As
	}
	if e.Preview.IsZero() {
		q.look(&e)
	}
	if q.leaseAtHand(e) {
		return nil
	}
	return q.s.c.Records.View(func(f fleet.View) error {
		q.revision = f.Revision()
		q.s.renew(epoch{q.packs, q.site, q.revision})
		if e.Preview.IsZero() {
			if err := q.gather(f, &e); err != nil {
				return err
			}
		}
		q.verdict = trust.Authorize(e)
		q.answer.MAC = e.FilenameMAC
		if !q.verdict.Proven {
			if e.FilenameMAC.IsZero() && e.Lease != nil {
				q.answer.MAC = e.Lease.MAC
			}
			return nil
		}
		d, err := q.s.recorded(f, q.verdict.MAC)
		if err == nil {
			q.prove(d)
		}
		return err
	})
}

// prove notes that the requester has proven to be the phone of d, which may be nil.
func (q *inquiry) prove(d *fleet.Device) {
	q.device, q.answer.Proof = d, q.verdict.Proof
	q.answer.Known = d != nil && q.verdict.Proof != trust.ProofOpen // where all is open a name is enough
	q.answer.MAC = macsOf(q.verdict.MAC, d)[0]
}

// leaseAtHand settles the usual case without opening the records: the lease proves its phone, whose record was read a moment ago. In any
// other case it has done nothing, so that a refusal takes its own time.
func (q *inquiry) leaseAtHand(e trust.Evidence) bool {
	if e.Lease == nil || !e.Preview.IsZero() || !e.Place.Accepts(trust.ProofLease) || e.Place.Accepts(trust.ProofNeighbor) || e.Place.Accepts(trust.ProofAddress) || q.sent != nil || q.r.Certificate != nil {
		return false
	}
	holder, revision, ok := q.s.atHand(e.Lease.MAC)
	if !ok {
		return false
	}
	e.LeaseMACs = trust.MACFirst(e.Lease.MAC, macsOf(e.Lease.MAC, holder))
	verdict := trust.Authorize(e)
	if !verdict.Proven {
		return false
	}
	d, again, ok := q.s.atHand(verdict.MAC)
	if !ok || again != revision {
		return false
	}
	q.verdict, q.revision = verdict, revision
	q.s.renew(epoch{q.packs, q.site, revision})
	q.prove(d)
	return true
}

// look finds the evidence that needs no record.
func (q *inquiry) look(e *trust.Evidence) {
	if l, ok := q.s.c.Leases.LeaseAt(e.From); ok {
		q.lease, e.Lease = &l, &l
		if e.Place.Accepts(trust.ProofLease) {
			e.LeaseDoubt = q.s.trust.LeaseDoubt(l)
		}
	}
	who := e.FilenameMAC
	if who.IsZero() {
		who = e.UserAgentMAC
	}
	if !who.IsZero() && q.s.trust.Enrolled(who, e.From, q.now) {
		e.Enrolled = who
	}
	if q.r.Authorization != "" {
		if a, ok := httpauth.Parse(q.r.Authorization); ok {
			q.sent = &a
		} else {
			e.Error = "the Authorization header is neither basic nor digest"
		}
	}
}

// gather reads the records of the phones that the evidence speaks of, never that of the named one: what is read for a
// requester without proof must not depend on whether there is a record.
func (q *inquiry) gather(f fleet.View, e *trust.Evidence) error {
	var errs []error
	macs := func(mac dhcp.MAC) []dhcp.MAC {
		d, err := q.s.recorded(f, mac)
		errs = append(errs, err)
		return trust.MACFirst(mac, macsOf(mac, d))
	}
	if e.Lease != nil {
		e.LeaseMACs = macs(e.Lease.MAC)
	}
	if e.Place.Accepts(trust.ProofNeighbor) {
		if mac, ok := q.s.c.Neighbor(e.From); ok && !mac.IsZero() {
			e.Neighbor = macs(mac)
		}
	}
	if e.Place.Accepts(trust.ProofAddress) {
		reserved, err := reservedFor(f, e.From)
		errs = append(errs, err)
		e.Reserved = reserved
	}
	if c := q.r.Certificate; c != nil && !c.MAC.IsZero() && e.Place.Accepts(trust.ProofCertificate) {
		d, err := q.s.recorded(f, c.MAC)
		errs = append(errs, err)
		if d == nil || d.Vendor == c.Vendor || slices.Contains(c.Also, d.Vendor) {
			e.Certified = trust.MACFirst(c.MAC, macsOf(c.MAC, d))
		} else {
			e.Error = "the client certificate is one of " + c.Vendor + ", but the device is one of " + d.Vendor
		}
	}
	if q.sent != nil && e.Place.Accepts(trust.ProofCredentials) {
		errs = append(errs, q.logIn(f, e))
	}
	return errors.Join(errs...)
}

// logIn checks the user and password that came with the request. It does the same work for phones that exist and for those
// that don't: one record is found and decoded, and two passwords are compared.
func (q *inquiry) logIn(f fleet.View, e *trust.Evidence) error {
	mac := q.claimed()
	d, err := deviceOrNext(f, mac)
	if err != nil {
		return err
	}
	login := trust.Login{Sent: q.sent, Method: q.r.Method}
	if d != nil && d.MAC == mac && d.Credentials != nil {
		login.Phone, login.Used = d.Credentials, q.s.trust.HasUsed(d.MAC, d.Credentials.Password)
	} else {
		q.s.trust.HasUsed(mac, "")
	}
	right, newest := login.Check()
	q.stale = !q.sent.Fresh(q.s.issuer, q.now, e.From)
	switch {
	case q.sent.Scheme == httpauth.Basic && q.r.Transport != fleet.HTTPS && q.scheme() != httpauth.Basic:
		e.Error = "a password in clear is accepted over HTTPS only"
	case q.stale:
		e.Error = "the credentials answer a challenge of too long ago"
	case !q.samePath():
		e.Error = "the credentials were made for another file"
	case !right:
		q.tried = true
		e.Error = "user or password are wrong"
	default:
		q.tried = true
		e.LoggedIn = trust.MACFirst(d.MAC, macsOf(d.MAC, d))
		q.retire = newest && d.Credentials.Previous != ""
	}
	return nil
}

// deviceOrNext returns the record of the device with mac as its own, or else the next one, after the last the first: a
// lookup takes as long for a MAC without a record as for one with it. It returns nil when there are no records.
func deviceOrNext(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	for _, after := range []dhcp.MAC{before(mac), {}} {
		for d, err := range f.Devices(after) {
			return d, err
		}
	}
	return nil, nil
}

// before returns the MAC that comes before mac.
func before(mac dhcp.MAC) dhcp.MAC {
	for i := len(mac) - 1; i >= 0; i-- {
		mac[i]--
		if mac[i] != 0xff {
			break
		}
	}
	return mac
}

// samePath tells whether a digest was made for the file that is asked for.
func (q *inquiry) samePath() bool {
	path, bound := q.sent.Path()
	if !bound {
		return true
	}
	name, err := cleanName(path)
	return err == nil && strings.EqualFold(name, q.answer.Name)
}

// scheme is how the phone that may have this name can be asked to log in: by what name and OUI alone tell.
func (q *inquiry) scheme() string {
	if q.r.Transport != fleet.HTTP && q.r.Transport != fleet.HTTPS {
		return httpauth.None
	}
	id := q.packs.Identify(pack.Evidence{MAC: q.named()})
	if m := q.pick(id.Vendor, id.Model); m != nil {
		return m.File.Challenge
	}
	// Several vendors have the name, and nothing tells which: all of them know what most of them know.
	scheme := httpauth.None
	for i := range q.matches {
		c := q.matches[i].File.Challenge
		switch {
		case c == httpauth.Digest || c == httpauth.DigestSHA256:
			return httpauth.Digest
		case c != httpauth.None:
			scheme = c
		}
	}
	return scheme
}

func reservedFor(f fleet.View, addr netip.Addr) ([]dhcp.MAC, error) {
	mac, err := f.DeviceByIP(addr)
	if errors.Is(err, fleet.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := f.Device(mac)
	if err != nil {
		return nil, err
	}
	return macsOf(mac, d), nil
}
