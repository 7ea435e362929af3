package deviceindex

import (
	"encoding/binary"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
)

// states are the states of a device, as rows have them. The first is that of a device whose status can't be computed.
var states = [...]string{"", devicestatus.StateDisabled, devicestatus.StateInSync, devicestatus.StateNeverFetched, devicestatus.StateNeverSeen,
	devicestatus.StateRefused, devicestatus.StateStale}

// row is what is known of one device, in a form that fits into memory a hundred thousand times.
type row struct {
	revision uint64 // of the record
	known    uint64 // devicestatus.Known.Inputs of the status
	mac      dhcp.MAC
	state    uint8 // in states
	flags    flags
	marks    uint32 // how often the row was marked as pending
	until    uint32 // seconds since 1970 from which on the status is pending
	stale    uint32 // since when the state is stale, as running returns it; 0: it is not

	kind, profile, source, tags, overridden     uint32 // interned; kind is vendor and model
	firmware, subnet, leftOut, beyond, upstream uint32 // interned; of the status
	port, onPhone                               uint32 // the same; of onPhone the parts of each override, one after the other
	reserved, ip                                uint32 // IPv4 addresses, 0 for none
	lastSeen, lastFetch                         int64  // nanoseconds since 1970, 0 for never
	text                                        string // see packText
}

// flags are what a row has or has not.
type flags uint8

const (
	pending    flags = 1 << iota // the members of the status are from before its inputs changed
	longNote                     // the text lacks the record's notes
	showsNames                   // the record's own settings or keys may show the names of extensions that are not the phone's
	watching                     // the leases of some addresses decide about the state; see watched
	compared                     // devicestatus.Known.Compared
	same                         // devicestatus.Known.Same
)

func (r *row) has(f flags) bool { return r.flags&f != 0 }

func (r *row) set(f flags, on bool) {
	if r.flags &^= f; on {
		r.flags |= f
	}
}

// isPending reports whether the members of the status may be wrong. now is in seconds since 1970.
func (r *row) isPending(now uint32) bool { return r.has(pending) || r.until <= now }

// maxNote is how many bytes of notes a row holds; what is longer is read from the record when it is searched.
const maxNote = 64

// The parts of row.text that every row has, in this order. Lines and other MACs follow.
const (
	textLabel = iota
	textLocation
	textNotes
	textSerial
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
	text, long := packText(d)
	r.text = text
	r.set(longNote, long)
	r.set(showsNames, impact.ShowsNames(d))
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
func packText(d *fleet.Device) (text string, long bool) {
	notes := d.Notes
	if long = len(notes) > maxNote; long {
		notes = strings.ToValidUTF8(notes[:maxNote], "")
	}
	b := make([]byte, 0, len(d.Label)+len(d.Location)+len(notes)+len(d.Serial)+9+16*len(d.Lines))
	add := func(s string) {
		s = strings.ToLower(s)
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	add(d.Label)
	add(d.Location)
	add(notes)
	add(d.Serial)
	b = binary.AppendUvarint(b, uint64(len(d.Lines)))
	for _, l := range d.Lines {
		add(l.Extension)
		add(l.Registrar)
	}
	for _, m := range d.OtherMACs {
		add(m.Hex())
	}
	return string(b), long
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

// setStatus sets the members of the status. now is as running returns it.
func (r *row) setStatus(t *interned, c devicestatus.Computed, subnet netip.Prefix, now uint32) {
	r.state = uint8(max(0, slices.Index(states[:], c.State)))
	switch {
	case c.State != devicestatus.StateStale:
		r.stale = 0
	case r.stale == 0:
		r.stale = now
	}
	r.ip = packAddr(c.IP)
	r.lastSeen, r.lastFetch = packTime(c.LastSeen), packTime(c.LastFetch)
	r.until, r.known = packSeconds(c.Until), c.Known.Inputs
	r.set(pending, false)
	r.set(compared, c.Known.Compared)
	r.set(same, c.Known.Same)
	t.set(&r.firmware, c.Firmware)
	t.set(&r.port, c.SwitchPort)
	t.set(&r.leftOut, c.LeftOut...)
	t.set(&r.beyond, c.Beyond...)
	t.set(&r.onPhone, packOverrides(c.OnPhone)...)
	if u := c.Upstream; u != nil {
		t.set(&r.upstream, u.Hosts, u.By, strconv.FormatInt(packTime(u.Answered), 10))
	} else {
		t.drop(&r.upstream)
	}
	if subnet.IsValid() {
		t.set(&r.subnet, subnet.String())
	} else {
		t.drop(&r.subnet)
	}
}

// knownOf returns what rendering found of a row.
func (r *row) knownOf(t *interned) devicestatus.Known {
	return devicestatus.Known{Inputs: r.known, Compared: r.has(compared), Same: r.has(same), LeftOut: t.values(r.leftOut), Beyond: t.values(r.beyond)}
}

// status returns the status as setStatus got it; nil when it could not be computed.
func (r *row) status(t *interned) *devicestatus.Status {
	if r.state == 0 {
		return nil
	}
	st := devicestatus.Status{State: states[r.state], IP: unpackAddr(r.ip), LastSeen: unpackTime(r.lastSeen), LastFetch: unpackTime(r.lastFetch),
		LeftOut: t.values(r.leftOut), Beyond: t.values(r.beyond), OnPhone: unpackOverrides(t.values(r.onPhone))}
	if v := t.values(r.firmware); len(v) > 0 {
		st.Firmware = v[0]
	}
	if v := t.values(r.port); len(v) > 0 {
		st.SwitchPort = v[0]
	}
	if v := t.values(r.upstream); len(v) == 3 {
		answered, _ := strconv.ParseInt(v[2], 10, 64) // it was written by FormatInt
		st.Upstream = &devicestatus.Upstream{Hosts: v[0], By: v[1], Answered: unpackTime(answered)}
	}
	return &st
}

// release gives up the shared texts of a row that is removed.
func (r *row) release(t *interned) {
	for _, at := range []*uint32{&r.kind, &r.profile, &r.source, &r.tags, &r.overridden, &r.firmware, &r.subnet, &r.leftOut, &r.beyond, &r.upstream, &r.port, &r.onPhone} {
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

// packSeconds returns a time of whole seconds; the zero time never comes.
func packSeconds(t time.Time) uint32 {
	if t.IsZero() {
		return math.MaxUint32
	}
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
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
