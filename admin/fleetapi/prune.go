package fleetapi

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// prune removes the records that the file does not have, of the kinds that it has.
func (r *applying) prune(e fleet.Edit) error {
	steps := []struct {
		kind   string
		names  iter.Seq2[string, error]
		remove func(name string) error
	}{
		{fleet.KindDevice, deviceNames(e), func(name string) error {
			mac, err := dhcp.ParseMAC(name)
			if err != nil {
				return err
			}
			return e.DeleteDevice(mac)
		}},
		{fleet.KindExtension, extensionNames(e), func(name string) error {
			number, registrar := fleet.ParseExtension(name)
			return fleet.RemoveExtension(e, number, registrar, false)
		}},
		{fleet.KindProfile, profileNames(e), func(name string) error {
			return fleet.RemoveProfile(e, name, false)
		}},
		{fleet.KindRegistrar, names(e.Registrars(), func(p *fleet.Registrar) string { return p.Name }), func(name string) error {
			return fleet.RemoveRegistrar(e, name, false)
		}},
	}
	for _, s := range steps {
		if r.table != nil && s.kind != fleet.KindDevice || r.doc != nil && !r.doc.Has(s.kind) {
			continue
		}
		if err := r.pruneKind(s.kind, s.names, s.remove); err != nil {
			return err
		}
	}
	return nil
}

func (r *applying) pruneKind(kind string, all iter.Seq2[string, error], remove func(string) error) error {
	var removed []string
	total := 0
	for name, err := range all {
		if err != nil {
			return err
		}
		total++
		if !r.has(kind, name) {
			removed = append(removed, name)
		}
	}
	if len(removed)*10 > total && !r.in.Yes {
		return huma.Error409Conflict(fmt.Sprintf("prune would remove %d of %d %ss, which is more than a tenth", len(removed), total, kind))
	}
	for _, name := range removed {
		if err := remove(name); err != nil {
			return err
		}
		r.out.Deleted++
		r.rows.add(math.MaxInt, client.RowVerdict{Kind: kind, Name: name, Verdict: verdictDeleted})
	}
	return nil
}

// has reports whether the file has a record. An extension may be there without its registrar.
func (r *applying) has(kind, name string) bool {
	if _, ok := r.seen[kind][name]; ok {
		return true
	}
	if kind == fleet.KindExtension {
		number, _ := fleet.ParseExtension(name)
		_, ok := r.seen[kind][number]
		return ok
	}
	return false
}

func names[T any](seq iter.Seq2[*T, error], name func(*T) string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for v, err := range seq {
			if err != nil {
				yield("", err)
				return
			}
			if !yield(name(v), nil) {
				return
			}
		}
	}
}

// extensionNames yields the extensions that are made by hand.
func extensionNames(f fleet.View) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for x, err := range f.Extensions() {
			if err != nil {
				yield("", err)
				return
			}
			if x.Source == "" && !yield(x.Number+"@"+x.Registrar, nil) {
				return
			}
		}
	}
}

// deviceNames yields the MACs of devices that are made by hand.
func deviceNames(f fleet.View) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for d, err := range f.Devices(dhcp.MAC{}) {
			if err != nil {
				yield("", err)
				return
			}
			if d.Source == "" && !yield(d.MAC.String(), nil) {
				return
			}
		}
	}
}

// profileNames yields the profiles that are made by hand.
func profileNames(f fleet.View) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for p, err := range f.Profiles() {
			if err != nil {
				yield("", err)
				return
			}
			if p.Source == "" && !yield(p.Name, nil) {
				return
			}
		}
	}
}

// finder returns a function that reads a device, nil when there is none.
func finder(f fleet.View) func(dhcp.MAC) (*fleet.Device, error) {
	return func(mac dhcp.MAC) (*fleet.Device, error) {
		d, err := f.Device(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			return nil, nil
		}
		return d, err
	}
}
