package provision

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
)

// Files lists what the phone would be given, in the order it asks. A zero subnet means the phone's own.
func (s *Service) Files(ctx context.Context, mac dhcp.MAC, subnet netip.Prefix) ([]FileInfo, error) {
	d, p, err := s.preview(mac, subnet)
	if err != nil {
		return nil, err
	}
	if d.Vendor == "" {
		return nil, nil
	}
	vendor, ok := s.c.Packs().Vendor(d.Vendor)
	if !ok {
		return nil, fmt.Errorf("%w: device %s: there is no vendor pack %q", fleet.ErrInternal, d.MAC, d.Vendor)
	}
	out := []FileInfo{}
	for _, f := range vendor.Files(p) {
		q := s.inquire(ctx, Request{Transport: fleet.Preview, Name: f.Name, As: d.MAC, Subnet: subnet})
		q.close()
		out = append(out, q.info())
	}
	return out, nil
}

// preview reads the device and builds its phone.
func (s *Service) preview(mac dhcp.MAC, subnet netip.Prefix) (*fleet.Device, pack.Phone, error) {
	var d *fleet.Device
	var p pack.Phone
	site := s.c.Site()
	err := s.c.Records.View(func(f fleet.View) (err error) {
		d, err = f.DeviceByAny(mac)
		return err
	})
	if err != nil || d.Vendor == "" {
		return d, p, err
	}
	// Leases are asked for between two Views, never inside one: their table reads records under its own lock.
	net := subnet
	if !net.IsValid() {
		own, _ := s.subnetFor(site, mac, d)
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

// File gives one file of a phone, byte for byte what the phone gets when reveal is set, else with secrets masked.
// A name that is known and answered in vain gives no bytes and the reason in FileInfo.
func (s *Service) File(ctx context.Context, mac dhcp.MAC, name string, subnet netip.Prefix, reveal bool) (FileContent, error) {
	d, _, err := s.preview(mac, subnet)
	if err != nil {
		return FileContent{}, err
	}
	q := s.inquire(ctx, Request{Transport: fleet.Preview, Name: name, As: d.MAC, Subnet: subnet})
	a := q.answer
	if other := q.another(d); !other.IsZero() {
		q.close()
		return FileContent{}, fmt.Errorf("file %s: this is the name of a file of %s, another phone: %w", a.Name, other, fleet.ErrNotFound)
	}
	switch {
	case a.Outcome == Fault:
		return FileContent{}, fmt.Errorf("device %s: file %s: %w", d.MAC, a.Name, a.Err)
	case len(q.matches) == 0 && a.Outcome != Served:
		return FileContent{}, fmt.Errorf("file %s: %s: %w", a.Name, a.Reason, fleet.ErrNotFound)
	}
	out := FileContent{FileInfo: q.info(), Body: a.Body}
	if a.Kind == string(pack.KindUpload) && a.Content != nil && !reveal {
		// Nobody knows which parts of what a phone wrote are secret.
		q.close()
		out.Body, out.Masked = []byte("***\n"), true
		return out, nil
	}
	if a.Content != nil {
		out.Content = a.Content
	}
	if reveal || q.made == nil {
		return out, nil
	}
	p, err := q.made.phone()
	if err != nil {
		return FileContent{}, err
	}
	if out.Body, err = q.made.vendor.Render(q.made.file.Name, resolve.Masked(p)); err != nil {
		return FileContent{}, fmt.Errorf("%w: %s: render %s: %w", fleet.ErrInternal, d.MAC, a.Name, err)
	}
	out.Masked = digestOf(out.Body) != a.Digest
	return out, nil
}

// another is the phone that a name belongs to by its MAC when that is not d; zero when it may be d's.
func (q *inquiry) another(d *fleet.Device) dhcp.MAC {
	var other dhcp.MAC
	for _, m := range q.matches {
		if m.MAC.IsZero() || m.MAC == d.MAC || slices.Contains(d.OtherMACs, m.MAC) {
			return dhcp.MAC{}
		}
		other = m.MAC
	}
	return other
}

// info is the answer without its bytes.
func (q *inquiry) info() FileInfo {
	a := q.answer
	return FileInfo{
		Name: a.Name, Kind: a.Kind, Size: a.Size, MediaType: a.MediaType, Digest: a.Digest,
		Outcome: string(a.Outcome), Reason: a.Reason,
	}
}

// close lets go of a static file that nobody will read.
func (q *inquiry) close() {
	if q.answer.Content != nil {
		// It was only read from: nothing can be lost.
		_ = q.answer.Content.Close()
		q.answer.Content = nil
	}
}
