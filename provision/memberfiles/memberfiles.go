// Package memberfiles finds out what a phone would get from another member of a cluster. Its files name the address of the member that they are
// from, so what this member would answer differs although the phone is up to date.
package memberfiles

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
)

// Serves returns the subnet with the phone's address that another member serves from the address server; ok is false when none does.
type Serves func(server, phone netip.Addr) (subnet netip.Prefix, ok bool)

// files has what other members would answer. Its methods may be called from any goroutine.
type files struct {
	c      provision.Config
	serves Serves

	mu     sync.Mutex
	others map[other]*devicestatus.Reader
}

// other is another member in one subnet.
type other struct {
	subnet netip.Prefix
	server netip.Addr
}

// With returns the configuration of a service that compares with what other members would answer. Of c it uses what files are rendered from: it
// records nothing.
func With(c provision.Config, s Serves) provision.Config {
	x := &files{serves: s, others: map[other]*devicestatus.Reader{}}
	x.c = provision.Config{Records: c.Records, Leases: c.Leases, Packs: c.Packs, Site: c.Site, Fetches: c.Fetches, Files: c.Files, Uploads: c.Uploads, Now: c.Now}
	c.Elsewhere = x.file
	return c
}

// file returns the file that a phone has fetched last as the member would answer that it is from; it implements devicestatus.Elsewhere. ok is false
// when that is this member, or not known. Of a subnet that this member does not serve it does not have the configuration: the file is the one
// that was fetched, if no record of the phone was changed since.
func (x *files) file(ctx context.Context, mac dhcp.MAC, f fleet.Fetch) (out devicestatus.File, ok bool) {
	subnet, ok := x.serves(f.Server, f.From)
	if !ok {
		return out, false
	}
	n, ours := x.c.Site().SubnetByPrefix(subnet)
	if !ours {
		changed, err := changedSince(x.c.Records, mac, f.Time)
		return devicestatus.File{Served: !changed, Digest: f.Digest}, err == nil
	}
	if n.NextServer == f.Server {
		return out, false
	}
	states, err := x.reader(other{subnet, f.Server})
	if err != nil {
		return out, false
	}
	f.Server = netip.Addr{}
	return states.File(ctx, mac, f), true
}

// reader returns what renders as another member does.
func (x *files) reader(o other) (*devicestatus.Reader, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.others[o]; r != nil {
		return r, nil
	}
	c := x.c
	c.Site = siteOf(x.c.Site, o)
	s, err := provision.New(c)
	if err != nil {
		return nil, err
	}
	r := s.States()
	x.others[o] = &r
	return &r, nil
}

// siteOf returns the configuration of this member with the address of another one, the same one as long as this member's is.
func siteOf(own func() *fleet.Site, o other) func() *fleet.Site {
	var mu sync.Mutex
	var from, site *fleet.Site
	return func() *fleet.Site {
		mu.Lock()
		defer mu.Unlock()
		if now := own(); now != from {
			with := *now
			with.Subnets = slices.Clone(now.Subnets)
			for i := range with.Subnets {
				if with.Subnets[i].Prefix == o.subnet {
					with.Subnets[i].NextServer = o.server
				}
			}
			from, site = now, &with
		}
		return site
	}
}

// changedSince reports whether a record that the files of a phone depend on was changed after t.
func changedSince(records fleet.Records, mac dhcp.MAC, t time.Time) (changed bool, err error) {
	err = records.View(func(f fleet.View) error {
		d, err := f.DeviceByAny(mac)
		if err != nil {
			return err
		}
		changed = d.UpdatedAt.After(t)
		chain, err := fleet.ProfileChain(f, d.Profile)
		if err != nil {
			return err
		}
		for _, p := range chain {
			changed = changed || p.UpdatedAt.After(t)
		}
		for _, l := range d.Lines {
			e, err := fleet.FindExtension(f, l.String())
			if err != nil {
				return err
			}
			r, err := f.Registrar(e.Registrar)
			if err != nil {
				return err
			}
			changed = changed || e.UpdatedAt.After(t) || r.UpdatedAt.After(t)
		}
		return nil
	})
	return changed, err
}
