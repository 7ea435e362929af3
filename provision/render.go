package provision

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/resolve"
)

// renderedFile is a file as it leaves.
type renderedFile struct {
	body   []byte
	digest string
	etag   string
}

// rendering is how a file is rendered for a request.
type rendering struct {
	vendor    *pack.Vendor
	file      *phonefile.File
	subnet    fleet.Subnet
	anonymous bool // nothing of any record is printed
}

// render renders the selected file. An anonymous phone gets nothing of any record.
func (s producer) render(q *fileRequest, anonymous bool, reason string) product {
	vendor, ok := q.generation.packs.Vendor(q.file.match.Vendor)
	if !ok {
		return q.internalError(fmt.Errorf("%w: there is no vendor pack %q", fleet.ErrInternal, q.file.match.Vendor))
	}
	subnet, err := s.requestSubnet(q, anonymous)
	if err != nil {
		return q.internalError(err)
	}
	r := &rendering{vendor, q.file.match.File, subnet, anonymous}
	key := q.fileKey(r.subnet, anonymous)
	out, ok := q.generation.rendered(key, q.auth.Proven)
	if !ok {
		if out, err = s.renderNew(q, r, key); err != nil {
			return q.internalError(err)
		}
	}
	p := q.blank()
	p.rendering = r
	p.Outcome, p.Reason = Served, reason
	p.Body, p.Size, p.Digest = out.body, int64(len(out.body)), out.digest
	p.ETag, p.MediaType = out.etag, cmp.Or(r.file.MediaType, "application/octet-stream")
	return p
}

// phone builds what the templates print.
func (s producer) phone(q *fileRequest, r *rendering) (p phonefile.Phone, err error) {
	g := q.generation
	if r.anonymous {
		mac := firstMAC(q.file.match.MAC, q.auth.MAC)
		return resolve.WithoutSecrets(resolve.AnonymousPhone(g.site, r.subnet, r.vendor, q.file.model, mac, q.Time)), nil
	}
	err = s.records.View(func(f fleet.View) error {
		p, _, err = resolve.Phone(f, g.packs, g.site, r.subnet.Prefix, q.auth.device, q.Time)
		if err == nil && r.file.MaxNumbers > 0 {
			_, err = resolve.AddPhonebook(f, r.vendor, q.auth.device, &p)
		}
		// A line or profile that doesn't exist is an error of the records, not of the phone.
		if err != nil && !errors.Is(err, fleet.ErrInternal) {
			err = fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
		return err
	})
	switch {
	case q.file.match.Kind == phonefile.KindCommon:
		p = resolve.WithoutSecrets(p)
	case q.Masked:
		p = resolve.Masked(p)
	}
	return p, err
}

// renderNew renders a file that is not cached, once for requests that come at the same time.
func (s producer) renderNew(q *fileRequest, r *rendering, key fileKey) (renderedFile, error) {
	own := *q // the original stays on the stack
	return q.generation.render(key, q.auth.Proven, q.Uncached, func() (out renderedFile, err error) {
		p, err := s.phone(&own, r)
		if err != nil {
			return out, err
		}
		body, err := r.vendor.Render(r.file.Name, p)
		if err != nil {
			return out, fmt.Errorf("%w: %s: render %s: %w", fleet.ErrInternal, own.auth.about, own.name.Name, err)
		}
		digest := digestOf(body)
		return renderedFile{body, digest, etag(digest)}, nil
	})
}

// fileKey is what the bytes of the selected file depend on.
func (q *fileRequest) fileKey(subnet fleet.Subnet, anonymous bool) fileKey {
	m := q.file.match
	key := fileKey{revision: q.auth.revision, vendor: m.Vendor, file: m.File.Name, name: m.Name,
		model: q.file.model, subnet: subnet.Prefix, anonymous: anonymous, masked: q.Masked, year: q.Time.UTC().Year()}
	switch {
	case !anonymous:
		key.mac = q.auth.device.MAC
	case q.auth.Proven:
		key.mac = q.auth.MAC
	default:
		key.mac = m.MAC
	}
	return key
}

// cacheable reports whether a file may be cached. Names with a MAC that are requested without proof could fill the cache with
// what is never needed again.
func (k fileKey) cacheable(proven bool) bool { return proven || k.mac.IsZero() }

// rendered returns a cached file.
func (g *generation) rendered(key fileKey, proven bool) (out renderedFile, ok bool) {
	if key.cacheable(proven) {
		out, ok = g.files.Get(key)
	}
	return out, ok
}

// render renders a file, and caches it unless uncached is set.
func (g *generation) render(key fileKey, proven, uncached bool, render func() (renderedFile, error)) (renderedFile, error) {
	if !key.cacheable(proven) {
		return render()
	}
	return g.renders.Do(key, func() (renderedFile, error) {
		// Another request may have rendered it since Get.
		if out, ok := g.files.Get(key); ok {
			return out, nil
		}
		out, err := render()
		if err == nil && !uncached {
			g.files.Put(key, out, int64(len(out.body))+512)
		}
		return out, err
	})
}

// phonebookOn reports whether the device's settings give it a phonebook.
func (s producer) phonebookOn(q *fileRequest) (bool, error) {
	settings, err := s.settings(q)
	if err != nil {
		return false, fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	return phonefile.PhonebookOn(settings), nil
}

// settings are the effective settings of the device, all of them. The leases are read before the records are opened, never
// meanwhile: their table reads records under its own lock.
func (s producer) settings(q *fileRequest) (settings map[string]any, err error) {
	g, device := q.generation, q.auth.device
	subnet, _ := s.subnets.Find(g.site, device.MAC, device)
	err = s.records.View(func(f fleet.View) error {
		settings, err = resolve.Settings(f, g.packs, g.site, subnet, device)
		return err
	})
	return settings, err
}

// withoutPhonebook answers a phone that requests a phonebook while it has none: with the operator's own file of that name.
func (s producer) withoutPhonebook(q *fileRequest) product {
	p := s.open(q, q.file.match.Name)
	if p.Outcome == NotFound {
		p = q.expected404()
		p.Reason += "; the setting phonebook is off"
	}
	return p
}

// etag is the strong ETag of bytes with this digest.
func etag(digest string) string { return `"` + digest[:32] + `"` }

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// subnet is the subnet that the file was rendered for; zero when none was rendered.
func (p product) subnet() (n netip.Prefix) {
	if p.rendering != nil {
		return p.rendering.subnet.Prefix
	}
	return n
}
