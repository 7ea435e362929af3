package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
)

// deviceKey is what a record depends on.
type deviceKey struct {
	mac      dhcp.MAC
	revision uint64
}

// fileKey is everything that rendered bytes depend on. Packs and site never change: a reload makes new ones, so their
// addresses stand for their contents; the revision stands for every record.
type fileKey struct {
	packs     *pack.Set
	site      *fleet.Site
	revision  uint64
	vendor    string
	file      string
	name      string
	mac       dhcp.MAC // zero: nobody's own
	model     string
	subnet    netip.Prefix
	anonymous bool
	year      int
}

// epoch is what all rendered files and records at hand depend on.
type epoch struct {
	packs    *pack.Set
	site     *fleet.Site
	revision uint64
}

// renew drops what was rendered and read before the last change, which nobody will be given again: memory holds no passwords
// of the past.
func (s *Service) renew(now epoch) {
	s.epochs.Lock()
	defer s.epochs.Unlock()
	was := s.epoch
	if now == was || now.packs == was.packs && now.site == was.site && now.revision < was.revision { // a request from before the change
		return
	}
	s.epoch = now
	s.files.Clear()
	s.devices.Clear()
}

// rendered is a file as it leaves.
type rendered struct {
	body   []byte
	digest string
}

// made is how the answer's bytes were made.
type made struct {
	vendor *pack.Vendor
	file   *pack.File
	phone  func() (pack.Phone, error)
}

// serve renders the chosen file. An anonymous phone gets nothing of any record.
func (q *inquiry) serve(anonymous bool, reason string) {
	vendor, ok := q.packs.Vendor(q.match.Vendor)
	if !ok {
		q.fault(fmt.Errorf("%w: there is no vendor pack %q", fleet.ErrInternal, q.match.Vendor))
		return
	}
	if err := q.locate(anonymous); err != nil {
		q.fault(err)
		return
	}
	public := anonymous || q.match.Kind == pack.KindCommon
	q.made = &made{vendor: vendor, file: q.match.File, phone: func() (pack.Phone, error) {
		p, err := q.phone(anonymous)
		if public {
			p = resolve.WithoutSecrets(p)
		}
		return p, err
	}}
	out, err := q.render(anonymous)
	if err != nil {
		q.fault(err)
		return
	}
	a := &q.answer
	a.Outcome, a.Reason = Served, reason
	a.Body, a.Size, a.Digest = out.body, int64(len(out.body)), out.digest
	a.ETag, a.MediaType = etag(out.digest), q.match.File.MediaType
	if a.MediaType == "" {
		a.MediaType = "application/octet-stream"
	}
}

// etag is the strong ETag of bytes with this digest.
func etag(digest string) string { return `"` + digest[:32] + `"` }

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// locate finds the subnet that the file is rendered for: the requester's, else the phone's own.
func (q *inquiry) locate(anonymous bool) error {
	if q.r.Subnet.IsValid() {
		net, ok := q.site.SubnetByPrefix(q.r.Subnet)
		if !ok {
			return fmt.Errorf("%s is not one of the subnets", q.r.Subnet)
		}
		q.subnet = net
		return nil
	}
	if net, ok := q.site.SubnetOf(q.r.From.Unmap()); ok {
		q.subnet = net
		return nil
	}
	device := q.device
	if anonymous && q.r.Transport != fleet.Preview {
		device = nil
	}
	q.subnet, _ = q.s.subnetFor(q.site, q.r.As, device)
	return nil
}

// render gives the bytes, from the cache when they have been rendered before.
func (q *inquiry) render(anonymous bool) (rendered, error) {
	key := fileKey{
		packs: q.packs, site: q.site, revision: q.revision,
		vendor: q.match.Vendor, file: q.match.File.Name, name: q.match.Name,
		model: q.answer.Model, subnet: q.subnet.Prefix, anonymous: anonymous, year: q.now.UTC().Year(),
	}
	switch {
	case !anonymous:
		key.mac = q.device.MAC
	case q.verdict.Proven:
		key.mac = q.verdict.MAC
	default:
		key.mac = q.match.MAC
	}
	// Names with somebody's MAC in them, asked for without proof, could fill the cache with what nobody needs again.
	keep := q.verdict.Proven || key.mac.IsZero()
	if keep {
		if out, ok := q.s.files.Get(key); ok {
			return out, nil
		}
	}
	if !keep {
		return q.renderNow()
	}
	return q.s.flights.do(key, func() (rendered, error) {
		// Somebody may have been faster between the look and the flight.
		if out, ok := q.s.files.Get(key); ok {
			return out, nil
		}
		out, err := q.renderNow()
		if err == nil {
			q.s.files.Put(key, out, int64(len(out.body))+512)
		}
		return out, err
	})
}

func (q *inquiry) renderNow() (rendered, error) {
	p, err := q.made.phone()
	if err != nil {
		return rendered{}, err
	}
	body, err := q.made.vendor.Render(q.made.file.Name, p)
	if err != nil {
		return rendered{}, fmt.Errorf("%w: %s: render %s: %w", fleet.ErrInternal, q.answer.MAC, q.answer.Name, err)
	}
	return rendered{body: body, digest: digestOf(body)}, nil
}

// phone builds what the templates print.
func (q *inquiry) phone(anonymous bool) (pack.Phone, error) {
	if anonymous {
		mac := q.match.MAC
		if mac.IsZero() && q.verdict.Proven {
			mac = q.verdict.MAC
		}
		return resolve.AnonymousPhone(q.site, q.subnet, q.made.vendor, q.answer.Model, mac, q.now), nil
	}
	var p pack.Phone
	err := q.s.c.Records.View(func(f fleet.View) error {
		var err error
		p, _, err = resolve.Phone(f, q.packs, q.site, q.subnet.Prefix, q.device, q.now)
		if err == nil && q.made.file.MaxNumbers > 0 {
			_, err = resolve.AddPhonebook(f, q.made.vendor, q.device, &p)
		}
		// A line or profile that isn't there is a fault of the records, not of the phone.
		if err != nil && !errors.Is(err, fleet.ErrInternal) {
			err = fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
		return err
	})
	return p, err
}

// subnetFor is the subnet that a phone's files are rendered for when the request doesn't tell, and why that one: of its
// lease, of its reservation, of its last fetch, or the first that provisions.
func (s *Service) subnetFor(site *fleet.Site, mac dhcp.MAC, d *fleet.Device) (fleet.Subnet, string) {
	for _, m := range macsOf(mac, d) {
		for _, l := range s.c.Leases.LeasesOf(m) {
			if n, ok := site.SubnetOf(l.Addr); ok && isActive(l, s.c.Now()) {
				return n, "lease"
			}
		}
	}
	if d != nil && d.ReservedIP.IsValid() {
		if n, ok := site.SubnetOf(d.ReservedIP); ok {
			return n, "reservation"
		}
	}
	if d != nil {
		if last, ok := lastFetch(s.c.Fetches, d.MAC); ok {
			if n, ok := site.SubnetOf(last.From); ok {
				return n, "last fetch"
			}
		}
	}
	if n, ok := site.FirstProvisioning(); ok {
		return n, "first provisioning subnet"
	}
	return fleet.Subnet{}, "no subnet"
}

// lastFetch is the latest fetch of a phone. A fault of the store only costs the hint.
func lastFetch(fetches func(dhcp.MAC) ([]fleet.Fetch, error), mac dhcp.MAC) (fleet.Fetch, bool) {
	all, err := fetches(mac)
	if err != nil {
		return fleet.Fetch{}, false
	}
	var last fleet.Fetch
	var at time.Time
	for _, f := range all {
		if f.Time.After(at) {
			last, at = f, f.Time
		}
	}
	return last, !at.IsZero()
}
