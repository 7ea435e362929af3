package deviceindex

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
)

// states are the states of a device, as rows have them. The first is that of a device whose status can't be computed.
var states = [...]string{"", devicestatus.StateDisabled, devicestatus.StateInSync, devicestatus.StateNeverFetched, devicestatus.StateNeverSeen,
	devicestatus.StateRefused, devicestatus.StateStale}

// row is what is known of one device, in a form that fits into memory a hundred thousand times.
type row struct {
	revision uint64 // of the record
	mac      dhcp.MAC
	state    uint8  // in states
	pending  bool   // the members of the status are from before its inputs changed
	longNote bool   // the text lacks the record's notes
	marks    uint32 // how often the row was marked as pending

	kind, profile, source, tags, overridden uint32 // interned; kind is vendor and model
	firmware, subnet, leftOut, beyond       uint32 // interned; of the status
	reserved, ip                            uint32 // IPv4 addresses, 0 for none
	lastSeen, lastFetch                     int64  // nanoseconds since 1970, 0 for never
	text                                    string // see packText
}

// maxNote is how many bytes of notes a row holds; longer notes are read from the record when they are searched.
const maxNote = 64

// The parts of row.text that every row has, in this order. Lines and other MACs follow.
const (
	textLabel = iota
	textLocation
	textNotes
	textLines // number of lines, then two parts for each
)

// setRecord sets the members that the record alone decides.
func (r *row) setRecord(t *interned, d *fleet.Device) {
	r.mac, r.revision = d.MAC, d.Revision
	t.set(&r.kind, d.Vendor, d.Model)
	t.set(&r.profile, d.Profile)
	t.set(&r.source, d.Source)
	t.set(&r.tags, d.Tags...)
	t.set(&r.overridden, overridden(d)...)
	r.reserved = packAddr(d.ReservedIP)
	r.text, r.longNote = packText(d)
}

// overridden returns the names of the settings that a device sets itself.
func overridden(d *fleet.Device) []string {
	names := slices.Sorted(maps.Keys(d.Settings))
	for _, vendor := range slices.Sorted(maps.Keys(d.VendorSettings)) {
		for _, name := range slices.Sorted(maps.Keys(d.VendorSettings[vendor])) {
			names = append(names, vendor+"/"+name)
		}
	}
	return names
}

// packText returns the texts of a record that few rows share, in lower case, each with its length before it.
func packText(d *fleet.Device) (text string, longNote bool) {
	notes := d.Notes
	if longNote = len(notes) > maxNote; longNote {
		notes = ""
	}
	b := make([]byte, 0, len(d.Label)+len(d.Location)+len(notes)+8+16*len(d.Lines))
	add := func(s string) {
		s = strings.ToLower(s)
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	add(d.Label)
	add(d.Location)
	add(notes)
	b = binary.AppendUvarint(b, uint64(len(d.Lines)))
	for _, l := range d.Lines {
		add(l.Extension)
		add(l.Registrar)
	}
	for _, m := range d.OtherMACs {
		add(m.Hex())
	}
	return string(b), longNote
}

// next reads one part of a packed text; it shares its bytes.
func next(s string) (part, rest string) {
	n, s := number(s)
	return s[:n], s[n:]
}

func number(s string) (n int, rest string) {
	for shift := 0; ; shift += 7 {
		c := s[0]
		s = s[1:]
		n |= int(c&0x7f) << shift
		if c < 0x80 {
			return n, s
		}
	}
}

// part returns one of the texts that every row has.
func (r *row) part(i int) string {
	part, rest := next(r.text)
	for ; i > 0; i-- {
		part, rest = next(rest)
	}
	return part
}

// lines yields the number and registrar of each line.
func (r *row) lines(yield func(number, registrar string) bool) {
	rest := r.text
	for range textLines {
		_, rest = next(rest)
	}
	n, rest := number(rest)
	for range n {
		var ext, reg string
		ext, rest = next(rest)
		reg, rest = next(rest)
		if !yield(ext, reg) {
			return
		}
	}
}

// otherMACs yields the other MACs of the device in hexadecimal.
func (r *row) otherMACs(yield func(string) bool) {
	rest := r.text
	for range textLines {
		_, rest = next(rest)
	}
	n, rest := number(rest)
	for range 2 * n {
		_, rest = next(rest)
	}
	for rest != "" {
		var mac string
		if mac, rest = next(rest); !yield(mac) {
			return
		}
	}
}

// setStatus sets the members of the status.
func (r *row) setStatus(t *interned, st devicestatus.Status, subnet netip.Prefix) {
	r.state = uint8(max(0, slices.Index(states[:], st.State)))
	r.ip = packAddr(st.IP)
	r.lastSeen, r.lastFetch = packTime(st.LastSeen), packTime(st.LastFetch)
	t.set(&r.firmware, st.Firmware)
	t.set(&r.leftOut, st.LeftOut...)
	t.set(&r.beyond, st.Beyond...)
	if subnet.IsValid() {
		t.set(&r.subnet, subnet.String())
	} else {
		t.drop(&r.subnet)
	}
}

// status returns the status as setStatus got it; nil when it could not be computed.
func (r *row) status(t *interned) *devicestatus.Status {
	if r.state == 0 {
		return nil
	}
	st := devicestatus.Status{State: states[r.state], IP: unpackAddr(r.ip), LastSeen: unpackTime(r.lastSeen), LastFetch: unpackTime(r.lastFetch),
		LeftOut: t.values(r.leftOut), Beyond: t.values(r.beyond)}
	if v := t.values(r.firmware); len(v) > 0 {
		st.Firmware = v[0]
	}
	return &st
}

// release gives up the shared texts of a row that is removed.
func (r *row) release(t *interned) {
	for _, at := range []*uint32{&r.kind, &r.profile, &r.source, &r.tags, &r.overridden, &r.firmware, &r.subnet, &r.leftOut, &r.beyond} {
		t.drop(at)
	}
}

func packAddr(a netip.Addr) uint32 {
	if a = a.Unmap(); !a.Is4() {
		return 0
	}
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func unpackAddr(n uint32) netip.Addr {
	if n == 0 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func packTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unpackTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
