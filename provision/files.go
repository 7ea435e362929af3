package provision

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
	"plugtone/provision/resolve"
)

// Files lists what the phone would be given, in the order it requests them. A zero subnet means the phone's own.
func (s *Service) Files(ctx context.Context, mac dhcp.MAC, subnet netip.Prefix) ([]FileInfo, error) {
	list, err := s.files(ctx, Request{As: mac, Subnet: subnet})
	out := slices.Grow([]FileInfo(nil), len(list))
	for _, f := range list {
		out = append(out, f.FileInfo)
	}
	return out, err
}

// Masked is Files with the rendered bytes, secrets masked. Digests are of these.
func (s *Service) Masked(ctx context.Context, mac dhcp.MAC) ([]FileContent, error) {
	return s.files(ctx, Request{As: mac, Masked: true, Uncached: true})
}

func (s *Service) files(ctx context.Context, r Request) ([]FileContent, error) {
	d, p, err := s.previewPhone(r.As, r.Subnet)
	if err != nil || d.Vendor == "" {
		return nil, err
	}
	r.As = d.MAC
	vendor, ok := s.c.Packs().Vendor(d.Vendor)
	if !ok {
		return nil, fmt.Errorf("%w: device %s: there is no vendor pack %q", fleet.ErrInternal, d.MAC, d.Vendor)
	}
	out := []FileContent{}
	for _, f := range vendor.Files(p) {
		r.Name = f.Name
		p := s.preview(ctx, r).product
		p.discard()
		out = append(out, FileContent{FileInfo: p.info(), Body: p.Body})
	}
	return out, nil
}

// previewPhone reads the device and builds its phone.
func (s *Service) previewPhone(mac dhcp.MAC, subnet netip.Prefix) (*fleet.Device, phonefile.Phone, error) {
	var d *fleet.Device
	var p phonefile.Phone
	site := s.c.Site()
	err := s.c.Records.View(func(f fleet.View) (err error) {
		d, err = f.DeviceByAny(mac)
		return err
	})
	if err != nil || d.Vendor == "" {
		return d, p, err
	}
	// Leases are read between two Views, never inside one: their table reads records under its own lock.
	net := subnet
	if !net.IsValid() {
		own, _ := s.subnets.Find(site, mac, d)
		net = own.Prefix
	} else if _, ok := site.SubnetByPrefix(net); !ok {
		return d, p, fleet.ValidationError{{Field: "subnet", Value: net.String(), Message: "is not one of the subnets"}}
	}
	err = s.c.Records.View(func(f fleet.View) (err error) {
		p, _, err = resolve.Phone(f, s.c.Packs(), site, net, d, s.c.Now())
		return err
	})
	return d, p, err
}

// File returns one file of a phone, byte for byte what the phone gets when reveal is set, else with secrets masked. For a name
// that is known and not served there are no bytes, and the reason is in FileInfo.
func (s *Service) File(ctx context.Context, mac dhcp.MAC, name string, subnet netip.Prefix, reveal bool) (FileContent, error) {
	d, _, err := s.previewPhone(mac, subnet)
	if err != nil {
		return FileContent{}, err
	}
	x := s.preview(ctx, Request{Name: name, As: d.MAC, Subnet: subnet})
	a := x.Answer
	if other := ownerOf(x.name, d); !other.IsZero() {
		a.discard()
		return FileContent{}, fmt.Errorf("file %s: this is the name of a file of %s, another phone: %w", a.Name, other, fleet.ErrNotFound)
	}
	switch {
	case a.Outcome == InternalError:
		return FileContent{}, fmt.Errorf("device %s: file %s: %w", d.MAC, a.Name, a.Err)
	case len(x.name.Matches) == 0 && a.Outcome != Served:
		return FileContent{}, fmt.Errorf("file %s: %s: %w", a.Name, a.Reason, fleet.ErrNotFound)
	}
	out := FileContent{FileInfo: a.info(), Body: a.Body, Content: a.Content}
	if !reveal && (a.Kind == string(phonefile.KindUpload) && a.Content != nil || a.Upstream != nil && a.Outcome == Served) {
		// Which parts of what a phone or a PBX wrote are secret is unknown.
		a.discard()
		out.Body, out.Content, out.Masked = []byte("***\n"), nil, true
		return out, nil
	}
	if reveal || x.rendering == nil {
		return out, nil
	}
	p, err := s.producer.phone(x.fileRequest, x.rendering)
	if err != nil {
		return FileContent{}, err
	}
	if out.Body, err = x.rendering.vendor.Render(x.rendering.file.Name, resolve.Masked(p)); err != nil {
		return FileContent{}, fmt.Errorf("%w: %s: render %s: %w", fleet.ErrInternal, d.MAC, a.Name, err)
	}
	out.Masked = digestOf(out.Body) != a.Digest
	return out, nil
}

// ownerOf returns the phone that a name belongs to by its MAC when that is not d; zero when it may be d's.
func ownerOf(name parsedName, d *fleet.Device) dhcp.MAC {
	var other dhcp.MAC
	for _, m := range name.Matches {
		if m.MAC.IsZero() || m.MAC == d.MAC || slices.Contains(d.OtherMACs, m.MAC) {
			return dhcp.MAC{}
		}
		other = m.MAC
	}
	return other
}

// info is the answer without its bytes.
func (a *Answer) info() FileInfo {
	return FileInfo{Name: a.Name, Kind: a.Kind, Size: a.Size, MediaType: a.MediaType, Digest: a.Digest, Outcome: string(a.Outcome), Reason: a.Reason, Upstream: a.Upstream}
}
