package records

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// checkDevice refuses a device that claims what another device has, naming both.
func (e *edit) checkDevice(d *fleet.Device) error {
	var problems fleet.ValidationError
	devices := e.tx.Table(tableDevices)
	// claim notes a problem when another device has what d claims.
	claim := func(owner []byte, err error, field, value, message string) error {
		if err == nil && owner != nil && !bytes.Equal(owner, d.MAC[:]) {
			problems = append(problems, fleet.FieldError{Field: field, Value: value, Message: fmt.Sprintf(message, macName(owner))})
		}
		if err != nil {
			return broken("index entry of", value, err)
		}
		return nil
	}
	owners := e.tx.Table(tableByMAC)
	owner, err := e.later.get(owners, tableByMAC, d.MAC[:])
	if err := claim(owner, err, "mac", d.MAC.String(), "is one of the other_macs of device %s"); err != nil {
		return err
	}
	for i, m := range d.OtherMACs {
		owner, err := e.later.get(owners, tableByMAC, m[:])
		if owner == nil && devices.Has(m[:]) {
			owner = m[:]
		}
		if err := claim(owner, err, fmt.Sprintf("other_macs[%d]", i), m.String(), "belongs to device %s already"); err != nil {
			return err
		}
	}
	if d.ReservedIP.IsValid() {
		owner, err := e.later.get(e.tx.Table(tableByIP), tableByIP, addrKey(d.ReservedIP))
		if err := claim(owner, err, "reserved_ip", d.ReservedIP.String(), "is reserved for device %s already"); err != nil {
			return err
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
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// index brings the secondary indexes from old to d; either may be nil.
func (e *edit) index(old, d *fleet.Device) {
	if old != nil {
		for _, k := range indexKeys(old) {
			e.later.remove(k.table, k.key)
		}
	}
	if d != nil {
		for _, k := range indexKeys(d) {
			e.later.put(k.table, k.key, k.value)
		}
	}
	var from, to netip.Addr
	if old != nil {
		from = old.ReservedIP.Unmap()
	}
	if d != nil {
		to = d.ReservedIP.Unmap()
	}
	if from != to {
		e.moved = append(e.moved, from, to)
	}
}

// dropIndex removes all index entries of a device whose record is lost.
func (e *edit) dropIndex(mac dhcp.MAC) error {
	if err := e.later.write(e.tx, indexTables...); err != nil {
		return err
	}
	for _, name := range indexTables {
		table := e.tx.Table(name)
		var keys [][]byte
		err := table.ForEach(func(k, v []byte) error {
			owner, err := table.Payload(k, v)
			if name == tableByExt || name == tableByProfile {
				owner = k[max(0, len(k)-len(mac)):]
			}
			if err == nil && bytes.Equal(owner, mac[:]) {
				keys = append(keys, bytes.Clone(k))
			}
			return nil
		})
		for _, k := range keys {
			if from, ok := netip.AddrFromSlice(k); ok && name == tableByIP {
				e.moved = append(e.moved, from)
			}
			err = errors.Join(err, table.Delete(k))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type indexKey struct {
	table      string
	key, value []byte
}

// indexKeys is everything under which a device can be found besides its MAC.
func indexKeys(d *fleet.Device) []indexKey {
	mac := d.MAC[:]
	var keys []indexKey
	for _, m := range d.OtherMACs {
		keys = append(keys, indexKey{tableByMAC, bytes.Clone(m[:]), mac})
	}
	if d.ReservedIP.IsValid() {
		keys = append(keys, indexKey{tableByIP, addrKey(d.ReservedIP), mac})
	}
	for _, l := range d.Lines {
		if l.Extension != "" {
			keys = append(keys, indexKey{tableByExt, append(append(accountKey(l.Extension, l.Registrar), 0), mac...), nil})
		}
	}
	if d.Profile != "" {
		keys = append(keys, indexKey{tableByProfile, append([]byte(d.Profile+"\x00"), mac...), nil})
	}
	return keys
}

// reservations answers the DHCP server, which queries it for every packet, from memory.
type reservations struct {
	mu     sync.RWMutex
	byMAC  map[dhcp.MAC]netip.Addr
	byAddr map[netip.Addr]dhcp.MAC
}

func newReservations() *reservations {
	return &reservations{byMAC: map[dhcp.MAC]netip.Addr{}, byAddr: map[netip.Addr]dhcp.MAC{}}
}

// load reads all reservations. A damaged one is left out.
func (r *reservations) load(tx dbfile.Tx) error {
	byMAC, byAddr := map[dhcp.MAC]netip.Addr{}, map[netip.Addr]dhcp.MAC{}
	table := tx.Table(tableByIP)
	err := table.ForEach(func(k, v []byte) error {
		owner, err := table.Payload(k, v)
		if err != nil {
			return nil // damaged
		}
		addr, ok := netip.AddrFromSlice(k)
		if !ok || len(owner) != 6 {
			return broken("reservation", fmt.Sprintf("%x", k), dbfile.ErrDamaged)
		}
		byMAC[dhcp.MAC(owner)], byAddr[addr] = addr, dhcp.MAC(owner)
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byMAC, r.byAddr = byMAC, byAddr
	return err
}

// refresh reads the reservations of some addresses again; the zero address is none. They become visible all at once.
func (r *reservations) refresh(tx dbfile.Tx, addrs []netip.Addr) error {
	if len(addrs) == 0 {
		return nil
	}
	table := tx.Table(tableByIP)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range addrs {
		if !a.IsValid() {
			continue
		}
		owner, err := table.Get(addrKey(a))
		if err != nil && !errors.Is(err, dbfile.ErrDamaged) {
			return err
		}
		if old, had := r.byAddr[a]; had && r.byMAC[old] == a {
			delete(r.byMAC, old)
		}
		delete(r.byAddr, a)
		if len(owner) == len(dhcp.MAC{}) {
			r.byMAC[dhcp.MAC(owner)], r.byAddr[a] = a, dhcp.MAC(owner)
		}
	}
	return nil
}

// Reserved returns the address that is reserved for the device with this MAC, from memory.
func (db *DB) Reserved(m dhcp.MAC) (netip.Addr, bool) {
	db.reserved.mu.RLock()
	defer db.reserved.mu.RUnlock()
	a, ok := db.reserved.byMAC[m]
	return a, ok
}

// HolderOf returns the device for which addr is reserved, from memory.
func (db *DB) HolderOf(addr netip.Addr) (dhcp.MAC, bool) {
	db.reserved.mu.RLock()
	defer db.reserved.mu.RUnlock()
	m, ok := db.reserved.byAddr[addr.Unmap()]
	return m, ok
}
