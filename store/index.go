package store

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// checkDevice refuses a device that claims what another device has, naming both.
func (e *edit) checkDevice(d *fleet.Device) error {
	var faults fleet.ValidationError
	owners, devices := e.tx.Bucket(bucketByMAC), e.tx.Bucket(bucketDevices)
	other := func(owner []byte) bool { return owner != nil && !bytes.Equal(owner, d.MAC[:]) }
	if owner := owners.Get(d.MAC[:]); other(owner) {
		faults = append(faults, fleet.FieldError{Field: "mac", Value: d.MAC.String(),
			Message: fmt.Sprintf("is one of the other_macs of device %s", macName(owner))})
	}
	for i, m := range d.OtherMACs {
		owner := owners.Get(m[:])
		if owner == nil && devices.Get(m[:]) != nil {
			owner = m[:]
		}
		if other(owner) {
			faults = append(faults, fleet.FieldError{Field: fmt.Sprintf("other_macs[%d]", i), Value: m.String(),
				Message: fmt.Sprintf("belongs to device %s already", macName(owner))})
		}
	}
	if d.ReservedIP.IsValid() {
		if owner := e.tx.Bucket(bucketByIP).Get(addrKey(d.ReservedIP)); other(owner) {
			faults = append(faults, fleet.FieldError{Field: "reserved_ip", Value: d.ReservedIP.String(),
				Message: fmt.Sprintf("is reserved for device %s already", macName(owner))})
		}
	}
	if err := checkName("profile", d.Profile); err != nil {
		return err
	}
	for i, l := range d.Lines {
		if err := checkName(fmt.Sprintf("lines[%d].extension", i), l.Extension+l.Registrar); err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// index brings the secondary indexes from old to d; either may be nil.
func (e *edit) index(old, d *fleet.Device) error {
	if old != nil {
		for _, k := range indexKeys(old) {
			if err := e.tx.Bucket(k.bucket).Delete(k.key); err != nil {
				return err
			}
		}
	}
	if d != nil {
		for _, k := range indexKeys(d) {
			if err := e.tx.Bucket(k.bucket).Put(k.key, k.value); err != nil {
				return err
			}
		}
	}
	move := reservation{}
	if old != nil {
		move.mac, move.from = old.MAC, old.ReservedIP.Unmap()
	}
	if d != nil {
		move.mac, move.to = d.MAC, d.ReservedIP.Unmap()
	}
	if move.from != move.to {
		e.moved = append(e.moved, move)
	}
	return nil
}

type indexKey struct{ bucket, key, value []byte }

// indexKeys is everything under which a device can be found besides its MAC.
func indexKeys(d *fleet.Device) []indexKey {
	mac := d.MAC[:]
	var keys []indexKey
	for _, m := range d.OtherMACs {
		keys = append(keys, indexKey{bucketByMAC, bytes.Clone(m[:]), mac})
	}
	if d.ReservedIP.IsValid() {
		keys = append(keys, indexKey{bucketByIP, addrKey(d.ReservedIP), mac})
	}
	for _, l := range d.Lines {
		if l.Extension != "" {
			keys = append(keys, indexKey{bucketByExt, append(append(accountKey(l.Extension, l.Registrar), 0), mac...), nil})
		}
	}
	if d.Profile != "" {
		keys = append(keys, indexKey{bucketByProfile, append([]byte(d.Profile+"\x00"), mac...), nil})
	}
	return keys
}

// reservation is a change of the address that is reserved for a device; the zero address is none.
type reservation struct {
	mac      dhcp.MAC
	from, to netip.Addr
}

// reservations answers the DHCP server, which asks for every packet, from memory.
type reservations struct {
	mu     sync.RWMutex
	byMAC  map[dhcp.MAC]netip.Addr
	byAddr map[netip.Addr]dhcp.MAC
}

func newReservations() *reservations {
	return &reservations{byMAC: map[dhcp.MAC]netip.Addr{}, byAddr: map[netip.Addr]dhcp.MAC{}}
}

func (r *reservations) load(tx *bolt.Tx) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return tx.Bucket(bucketByIP).ForEach(func(k, v []byte) error {
		addr, ok := netip.AddrFromSlice(k)
		if !ok || len(v) != 6 {
			return broken("reservation", fmt.Sprintf("%x", k), errDamaged)
		}
		r.byMAC[dhcp.MAC(v)], r.byAddr[addr] = addr, dhcp.MAC(v)
		return nil
	})
}

// apply makes the changes of one edit visible, all at once and in their order: within an edit an address is taken only after
// it was given up.
func (r *reservations) apply(moves []reservation) {
	if len(moves) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range moves {
		if m.from.IsValid() && r.byAddr[m.from] == m.mac {
			delete(r.byAddr, m.from)
			delete(r.byMAC, m.mac)
		}
		if m.to.IsValid() {
			r.byMAC[m.mac], r.byAddr[m.to] = m.to, m.mac
		}
	}
}

// Reserved returns the address that is reserved for the device with this MAC, from memory.
func (s *Store) Reserved(m dhcp.MAC) (netip.Addr, bool) {
	s.reserved.mu.RLock()
	defer s.reserved.mu.RUnlock()
	a, ok := s.reserved.byMAC[m]
	return a, ok
}

// HolderOf returns the device for which addr is reserved, from memory.
func (s *Store) HolderOf(addr netip.Addr) (dhcp.MAC, bool) {
	s.reserved.mu.RLock()
	defer s.reserved.mu.RUnlock()
	m, ok := s.reserved.byAddr[addr.Unmap()]
	return m, ok
}
