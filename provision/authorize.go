package provision

import (
	"errors"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
)

// authorization is whether a requester has proved to be a phone, and which.
type authorization struct {
	trust.Verdict
	login    login
	about    dhcp.MAC      // the phone that the answer is about; zero when unknown
	macs     []dhcp.MAC    // all those of the proven phone
	device   *fleet.Device // of the proven phone; nil when it has no record. Shared: must not be changed
	revision uint64        // of the records that were read
}

// login is what became of credentials that came with a request.
type login struct {
	stale    bool // they answer a challenge of long ago
	compared bool // a password was compared
	newest   bool // the phone has used its new password while the one before it still counts
}

// known reports whether the requester is a proven phone that has a record. In an open network a name is no proof of that.
func (a authorization) known() bool { return a.device != nil && a.Proof != trust.ProofOpen }

// wrongPassword reports whether a password was compared and refused.
func (a authorization) wrongPassword() bool { return a.login.compared && !a.Proof.Own() }

// authorize completes the evidence with what is in the records and lets trust.Authorize decide. Only the record of a phone that
// has proved itself is read for the answer.
func (s authorizer) authorize(q *fileRequest) (authorization, error) {
	if a, ok := s.authorizeCached(q); ok {
		return a, nil
	}
	return s.authorizeByRecords(q.Request, q.generation, q.name, q.who)
}

func (s authorizer) authorizeByRecords(r Request, g *generation, name parsedName, who requester) (authorization, error) {
	a := authorization{}
	err := s.records.View(func(f fleet.View) error {
		a.revision = f.Revision()
		g.invalidate(a.revision)
		e := who.evidence
		if e.Preview.IsZero() {
			var err error
			if e, a.login, err = s.readEvidence(f, r, g, name, who); err != nil {
				return err
			}
		}
		a.Verdict, a.about = trust.Authorize(e), e.FilenameMAC
		if !a.Proven {
			if e.FilenameMAC.IsZero() && e.Lease != nil {
				a.about = e.Lease.MAC
			}
			return nil
		}
		read := g.device
		if r.Uncached {
			read = anyDevice
		}
		d, err := read(f, a.MAC)
		if err == nil {
			a.device, a.about, a.macs = d, fleet.MACOf(a.MAC, d), fleet.MACsOf(a.MAC, d)
		}
		return err
	})
	if err != nil {
		return authorization{about: a.about}, err
	}
	return a, nil
}

// authorizeCached decides the usual case without opening the records: the lease proves its phone, whose record is cached. In
// any other case ok is false and nothing was done, so that a refusal takes its own time.
func (s authorizer) authorizeCached(q *fileRequest) (a authorization, ok bool) {
	e, g := q.who.evidence, q.generation
	if e.Lease == nil || !e.Place.Accepts(trust.ProofLease) || e.Place.Accepts(trust.ProofNeighbor) || e.Place.Accepts(trust.ProofAddress) || q.who.sent != nil || q.Certificate != nil {
		return a, false
	}
	holder, revision, ok := g.cachedDevice(s.records, e.Lease.MAC)
	if !ok {
		return a, false
	}
	e.LeaseMACs = trust.MACFirst(e.Lease.MAC, fleet.MACsOf(e.Lease.MAC, holder))
	verdict := trust.Authorize(e)
	if !verdict.Proven {
		return a, false
	}
	d, again, ok := g.cachedDevice(s.records, verdict.MAC)
	if !ok || again != revision {
		return a, false
	}
	g.invalidate(revision)
	return authorization{Verdict: verdict, about: fleet.MACOf(verdict.MAC, d), macs: e.LeaseMACs, device: d, revision: revision}, true
}

// readEvidence reads the records of the phones that the evidence is about, never that of the phone in the file name: what is
// read for a requester without proof must not depend on whether there is a record.
func (s authorizer) readEvidence(f fleet.View, r Request, g *generation, name parsedName, who requester) (e trust.Evidence, l login, err error) {
	e = who.evidence
	var errs []error
	macs := func(mac dhcp.MAC) []dhcp.MAC {
		d, err := g.device(f, mac)
		errs = append(errs, err)
		return trust.MACFirst(mac, fleet.MACsOf(mac, d))
	}
	if e.Lease != nil {
		e.LeaseMACs = macs(e.Lease.MAC)
	}
	if e.Place.Accepts(trust.ProofNeighbor) {
		if mac, ok := s.neighbor(e.From); ok && !mac.IsZero() {
			e.Neighbor = macs(mac)
		}
	}
	if e.Place.Accepts(trust.ProofAddress) {
		reserved, err := fleet.MACsReserving(f, e.From)
		errs = append(errs, err)
		e.Reserved = reserved
	}
	if c := r.Certificate; c != nil && !c.MAC.IsZero() && e.Place.Accepts(trust.ProofCertificate) {
		d, err := g.device(f, c.MAC)
		errs = append(errs, err)
		if d == nil || d.Vendor == c.Vendor || slices.Contains(c.Also, d.Vendor) {
			e.Certified = trust.MACFirst(c.MAC, fleet.MACsOf(c.MAC, d))
		} else {
			e.Error = "the client certificate is one of " + c.Vendor + ", but the device is one of " + d.Vendor
		}
	}
	if who.sent != nil && e.Place.Accepts(trust.ProofCredentials) {
		var err error
		e.LoggedIn, l, err = s.checkLogin(f, r, g, name, who, &e.Error)
		errs = append(errs, err)
	}
	return e, l, errors.Join(errs...)
}

// checkLogin checks the user and password that came with the request, and returns the MACs of the phone that they prove. It
// does the same work for phones that exist and for those that don't: one record is found and decoded, and two passwords are
// compared. What is wrong with them goes to reason.
func (s authorizer) checkLogin(f fleet.View, r Request, g *generation, name parsedName, who requester, reason *string) (macs []dhcp.MAC, l login, err error) {
	mac := who.claimed()
	d, err := fleet.DeviceOrNext(f, mac)
	if err != nil {
		return nil, l, err
	}
	attempt := trust.Login{Sent: who.sent, Method: r.Method}
	if d != nil && d.MAC == mac && d.Credentials != nil {
		attempt.Phone, attempt.Used = d.Credentials, s.trust.Passwords().HasUsed(d.MAC, d.Credentials.Password)
	} else {
		s.trust.Passwords().HasUsed(mac, "")
	}
	right, newest := attempt.Check()
	l.stale = !who.sent.Fresh(s.issuer, r.Time, who.source.Addr)
	switch {
	case who.sent.Scheme == httpauth.Basic && r.Transport != fleet.HTTPS && challengeScheme(r, g.packs, name) != httpauth.Basic:
		*reason = "a password in clear is accepted over HTTPS only"
	case l.stale:
		*reason = "the credentials answer a challenge of too long ago"
	case !isForFile(who.sent, name):
		*reason = "the credentials were made for another file"
	case !right:
		l.compared = true
		*reason = "user or password are wrong"
	default:
		l.compared, l.newest = true, newest && d.Credentials.Previous != ""
		macs = trust.MACFirst(d.MAC, fleet.MACsOf(d.MAC, d))
	}
	return macs, l, nil
}

// isForFile reports whether credentials may be used for the file: a digest is made for one path.
func isForFile(c *httpauth.Credentials, file parsedName) bool {
	path, bound := c.Path()
	if !bound {
		return true
	}
	name, err := phonefile.CleanName(path)
	return err == nil && strings.EqualFold(name, file.Name)
}
