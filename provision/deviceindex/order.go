package deviceindex

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
)

// Sorts are the fields that lists can be sorted by.
func Sorts() []string {
	return []string{"mac", "label", "vendor", "model", "profile", "location", "extension", "source", "state", "subnet", "ip", "firmware", "last_seen", "last_fetch", "switch_port", "registered",
		"serial", "tags", "notes"}
}

// Order is a sorted list, of which a page is read.
type Order struct {
	Limit int
	After string // Page.Next of the page before; "" begins the list

	by   string // one of Sorts
	desc bool
}

// ErrCursor is the error of a cursor that no page of the same order returned.
var ErrCursor = errors.New("is not the next_cursor of a page of a list with this sort")

// SortBy returns an order by a field and then by MAC, or by -FIELD the other way round.
func SortBy(field string, limit int, after string) (Order, error) {
	o := Order{Limit: limit, After: after}
	field, o.desc = strings.CutPrefix(field, "-")
	if o.by = cmp.Or(field, "mac"); !slices.Contains(Sorts(), o.by) {
		return o, fmt.Errorf("must be one of %s, with a minus before it to begin with the last", strings.Join(Sorts(), " "))
	}
	if _, err := o.start(); err != nil {
		return o, err
	}
	return o, nil
}

// sortKey is the place of a row in an order: by number, then text, then MAC.
type sortKey struct {
	number uint64
	text   string
	mac    dhcp.MAC
}

func (k sortKey) compare(other sortKey) int {
	if c := cmp.Or(cmp.Compare(k.number, other.number), strings.Compare(k.text, other.text)); c != 0 {
		return c
	}
	return compareMAC(k.mac, other.mac)
}

// keyOf returns the place of a row. Notes are in the order of what rows have of them.
func (o Order) keyOf(m *matcher, r *row) sortKey {
	k, t := sortKey{mac: r.mac}, m.texts
	switch o.by {
	case "label":
		k.text = r.part(textLabel)
	case "location":
		k.text = r.part(textLocation)
	case "notes":
		k.text = r.part(textNotes)
	case "serial":
		k.text = r.part(textSerial)
	case "tags":
		k.text = strings.Join(t.lower(r.tags), " ")
	case "registered":
		k.text = m.registered(r)
	case "switch_port":
		k.text = t.one(r.port, 0)
	case "extension":
		for number := range r.lines {
			k.text = number
			break
		}
	case "vendor":
		k.text = t.one(r.kind, 0)
	case "model":
		k.text = t.one(r.kind, 1)
	case "profile":
		k.text = t.one(r.profile, 0)
	case "source":
		k.text = t.one(r.source, 0)
	case "state":
		k.text = states[r.state]
	case "subnet":
		k.text = t.one(r.subnet, 0)
	case "firmware":
		k.text = t.one(r.firmware, 0)
	case "ip":
		k.number = uint64(r.ip)
	case "last_seen":
		k.number = uint64(r.lastSeen)
	case "last_fetch":
		k.number = uint64(r.lastFetch)
	}
	return k
}

// encode returns the cursor of the page after a row.
func (o Order) encode(k sortKey) string {
	if o.by == "mac" && !o.desc {
		return base64.RawURLEncoding.EncodeToString([]byte(k.mac.String()))
	}
	text := strings.Join([]string{o.name(), k.mac.Hex(), strconv.FormatUint(k.number, 36), k.text}, separator)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func (o Order) name() string {
	if o.desc {
		return "-" + o.by
	}
	return o.by
}

// start returns the place after which the page begins; that without a MAC is before all rows.
func (o Order) start() (sortKey, error) {
	if o.After == "" {
		return sortKey{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(o.After)
	if err != nil {
		return sortKey{}, ErrCursor
	}
	if o.by == "mac" && !o.desc {
		mac, err := dhcp.ParseMAC(string(b))
		if err != nil {
			return sortKey{}, ErrCursor
		}
		return sortKey{mac: mac}, nil
	}
	parts := strings.SplitN(string(b), separator, 4)
	if len(parts) != 4 || parts[0] != o.name() {
		return sortKey{}, ErrCursor
	}
	k := sortKey{text: parts[3]}
	n, err := hex.Decode(k.mac[:], []byte(parts[1]))
	if err != nil || n != len(k.mac) || k.mac.IsZero() {
		return sortKey{}, ErrCursor
	}
	if k.number, err = strconv.ParseUint(parts[2], 36, 64); err != nil {
		return sortKey{}, ErrCursor
	}
	return k, nil
}

// after returns the places of the n rows that a query selects and that come first after a place, in order.
func (x *table) after(m *matcher, o Order, from sortKey, n int) []sortKey {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m.begin()
	if o.by == "mac" && !o.desc {
		return x.inOrder(m, from.mac, n)
	}
	best := make([]sortKey, 0, 4*n) // the first ones so far, in any order
	full := false                   // best[n-1] is the last that may be among them
	for i := range x.rows {
		r := x.rows[i]
		if o.desc { // equal ones come last to first
			r = x.rows[len(x.rows)-1-i]
		}
		k := o.keyOf(m, r)
		if full && o.compare(k, best[n-1]) >= 0 || !from.mac.IsZero() && o.compare(k, from) <= 0 || !m.all(r) {
			continue
		}
		if best = append(best, k); len(best) == cap(best) {
			slices.SortFunc(best, o.compare)
			best, full = best[:n], true
		}
	}
	slices.SortFunc(best, o.compare)
	best = best[:min(n, len(best))]
	for i := range best { // the text shares memory with a row
		best[i].text = strings.Clone(best[i].text)
	}
	return best
}

// inOrder is after for the order that rows have. The caller holds mu.
func (x *table) inOrder(m *matcher, from dhcp.MAC, n int) (keys []sortKey) {
	i, there := x.find(from)
	if there {
		i++
	}
	for _, r := range x.rows[i:] {
		if len(keys) == n {
			break
		}
		if m.all(r) {
			keys = append(keys, sortKey{mac: r.mac})
		}
	}
	return keys
}

// compare compares two places. From the last to the first, MACs are in reverse order as well.
func (o Order) compare(a, b sortKey) int {
	if o.desc {
		return b.compare(a)
	}
	return a.compare(b)
}
