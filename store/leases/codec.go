package leases

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
)

// leaseVersion is the first byte of every lease. Leases are written for each ACK and read all at once, so they are kept
// in a form of their own: numbers as varints, texts with their length before them.
const leaseVersion = 2

const leaseWithoutRelay = 1 // the version before the relay was recorded

const leasePhone = 0x01

// appendChanges prints changes as a batch of the log has them: the length of the key and the key, then the length of the
// record plus one and the record as leases.db has it, or 0 where the lease is deleted.
func appendChanges(b []byte, changes []dhcp.Change) []byte {
	var lease, record []byte
	for _, c := range changes {
		key := c.Lease.Addr.Unmap().AsSlice()
		b = appendBytes(b, key)
		if c.Delete {
			b = append(b, 0)
			continue
		}
		lease = AppendLease(lease[:0], c.Lease)
		record = dbfile.AppendRecord(record[:0], tableLeases, key, lease)
		b = binary.AppendUvarint(b, uint64(len(record))+1)
		b = append(b, record...)
	}
	return b
}

// readChanges puts the changes of a batch into records, by key; nil where one was deleted. What it puts there may point
// into b.
func readChanges(b []byte, records map[string][]byte) error {
	for r := (leaseReader{b: b}); len(r.b) > 0; {
		key := r.bytes()
		n, used := binary.Uvarint(r.b)
		if r.bad || used <= 0 || n > uint64(len(r.b)-used)+1 {
			return dbfile.Damagedf("changes cut short")
		}
		r.b = r.b[used:]
		if n == 0 {
			records[string(key)] = nil
			continue
		}
		record := r.b[: n-1 : n-1]
		r.b = r.b[n-1:]
		if len(record) > 0 && record[0] == leaseWithoutRelay { // of a plugtone from before the checksums
			record = dbfile.AppendRecord(nil, tableLeases, key, record)
		}
		records[string(key)] = record
	}
	return nil
}

func appendBytes(b, v []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(v))), v...) }

// AppendLease appends all of a lease but its address to b, in the form that ReadLease reads.
func AppendLease(b []byte, l dhcp.Lease) []byte {
	var flags byte
	if l.Phone {
		flags |= leasePhone
	}
	b = append(b, leaseVersion, flags)
	b = append(b, l.MAC[:]...)
	for _, t := range []time.Time{l.FirstSeen, l.Starts, l.Expires} {
		b = binary.AppendVarint(b, t.Unix())
		b = binary.AppendUvarint(b, uint64(t.Nanosecond()))
	}
	subnet := ""
	if l.Subnet.IsValid() {
		subnet = string(append(l.Subnet.Addr().AsSlice(), byte(l.Subnet.Bits())))
	}
	for _, s := range []string{string(l.State), subnet, l.ClientID, l.Hostname, l.VendorClass, l.Vendor, l.CircuitID, l.RemoteID, l.Relay.Pack()} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// ReadLease reads what AppendLease wrote: all of a lease but its address. Nothing of it points into b. What follows the texts that are known here
// is left alone.
func ReadLease(b []byte) (dhcp.Lease, error) {
	var l dhcp.Lease
	switch {
	case len(b) < 8 || b[0] < leaseWithoutRelay:
		return l, dbfile.Damagedf("lease of %d bytes", len(b))
	case b[0] > leaseVersion:
		return l, fmt.Errorf("version %d: %w", b[0], dbfile.ErrNewer)
	}
	l.Phone = b[1]&leasePhone != 0
	l.MAC = dhcp.MAC(b[2:8])
	r := leaseReader{b: b[8:]}
	l.FirstSeen, l.Starts, l.Expires = r.time(), r.time(), r.time()
	l.State = r.state()
	l.Subnet = r.prefix()
	l.ClientID, l.Hostname, l.VendorClass = r.text(), r.text(), r.text()
	l.Vendor, l.CircuitID, l.RemoteID = r.text(), r.text(), r.text()
	if b[0] > leaseWithoutRelay {
		relay, ok := dhcp.UnpackRelay(r.text())
		l.Relay, r.bad = relay, r.bad || !ok
	}
	if r.bad {
		return l, dbfile.Damagedf("lease cut short")
	}
	return l, nil
}

// leaseReader reads one member after the other and remembers when there were not enough bytes.
type leaseReader struct {
	b   []byte
	bad bool
}

func (r *leaseReader) bytes() []byte {
	n, used := binary.Uvarint(r.b)
	if used <= 0 || n > uint64(len(r.b)-used) {
		r.b, r.bad = nil, true
		return nil
	}
	v := r.b[used : used+int(n)]
	r.b = r.b[used+int(n):]
	return v
}

func (r *leaseReader) text() string { return string(r.bytes()) }

// state spares a copy for each lease of a word that they share.
func (r *leaseReader) state() dhcp.LeaseState {
	b := r.bytes()
	for _, s := range []dhcp.LeaseState{dhcp.LeaseActive, dhcp.LeaseReleased, dhcp.LeaseExpired, dhcp.LeaseDeclined} {
		if string(b) == string(s) {
			return s
		}
	}
	return dhcp.LeaseState(b)
}

func (r *leaseReader) prefix() netip.Prefix {
	b := r.bytes()
	if len(b) == 0 {
		return netip.Prefix{}
	}
	addr, ok := netip.AddrFromSlice(b[:len(b)-1])
	p := netip.PrefixFrom(addr, int(b[len(b)-1]))
	r.bad = r.bad || !ok || !p.IsValid()
	return p
}

func (r *leaseReader) time() time.Time {
	sec, n := binary.Varint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return time.Time{}
	}
	nsec, m := binary.Uvarint(r.b[n:])
	if m <= 0 || nsec >= uint64(time.Second) {
		r.b, r.bad = nil, true
		return time.Time{}
	}
	r.b = r.b[n+m:]
	return time.Unix(sec, int64(nsec)).UTC()
}
