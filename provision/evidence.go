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

// logIn checks the user and password that came along. It does the same work for phones that there are and that there
// aren't: one record is read and decoded, and two passwords are tried.
func (q *inquiry) logIn(f fleet.View, e *trust.Evidence) error {
	mac, err := dhcp.ParseMAC(q.sent.User)
	if err != nil {
		mac = e.FilenameMAC
	}
	d, err := candidate(f, mac)
	if err != nil {
		return err
	}
	c := trust.DummyCredentials()
	known := d != nil && d.Credentials != nil && d.Credentials.Password != ""
	if known {
		c = d.Credentials
	}
	previous := c.Previous
	if previous == "" {
		previous = trust.DummyCredentials().Previous
	}
	now, before := q.sent.Proves(c.Password.Reveal(), q.r.Method), q.sent.Proves(previous.Reveal(), q.r.Method)
	q.stale = !q.sent.Fresh(q.s.issuer, q.now, e.From)
	switch {
	case q.sent.Scheme == httpauth.Basic && q.r.Transport != fleet.HTTPS && q.scheme() != httpauth.Basic:
		e.Error = "a password in clear is taken over HTTPS only"
	case q.stale:
		e.Error = "the credentials answer a challenge of too long ago"
	case !q.samePath():
		e.Error = "the credentials were made for another file"
	default:
		q.tried = true
	}
	switch {
	case !q.tried:
	case !known || q.sent.User != c.User || !now && !(before && c.Previous != "" && !q.s.trust.HasUsed(d.MAC, d.Credentials.Password)):
		e.Error = "user or password are wrong"
	default:
		e.LoggedIn = trust.MACFirst(d.MAC, macsOf(d.MAC, d))
		q.retire = now && c.Previous != ""
	}
	return nil
}

// candidate is the record of mac, or nil. When there is none another one is read in its stead.
func candidate(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	d, err := f.DeviceByAny(mac)
	if !errors.Is(err, fleet.ErrNotFound) {
		return d, err
	}
	// The next one, or after the last the first.
	for _, after := range []dhcp.MAC{mac, {}} {
		for _, err := range f.Devices(after) {
			return nil, err
		}
	}
	return nil, nil
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
