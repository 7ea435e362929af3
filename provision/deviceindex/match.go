package deviceindex

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/registration"
	"plugtone/provision/selector"
)

// matcher reports which rows a query selects. It belongs to one goroutine.
type matcher struct {
	texts *interned
	swaps int

	text             string // to search for
	bare             string // the same without the separators of a MAC
	inMAC, inAddr    bool   // whether a MAC or an address can contain it
	textKnown        memo   // of the shared texts
	longNotes        map[dhcp.MAC]bool
	registration     func([]registration.Account, netip.Addr) []registration.LineState // of Config
	onRecord, ofRest []*test                                                           // conditions on the record, and those on the status
}

// test is a condition on rows.
type test struct {
	selector.Condition
	known memo
}

// memo has for each shared text whether a condition holds, so that most rows cost a look into memory: 1 it holds, -1 it does not, 0 not known.
type memo []int8

// of returns what is known of a shared text, and finds it out when nothing is.
func (m *memo) of(at uint32, holds func() bool) bool {
	if int(at) >= len(*m) {
		*m = append(*m, make([]int8, int(at)+1-len(*m))...)
	}
	k := &(*m)[at]
	if *k == 0 {
		*k = -1
		if holds() {
			*k = 1
		}
	}
	return *k > 0
}

func newMatcher(q Query, texts *interned) *matcher {
	m := &matcher{texts: texts, text: q.Text, bare: strings.NewReplacer(":", "", "-", "", ".", "").Replace(q.Text)}
	m.inMAC = m.bare != "" && strings.Trim(m.bare, "0123456789abcdef") == ""
	m.inAddr = strings.Trim(m.text, "0123456789.") == ""
	for _, c := range q.Where {
		if slices.Contains(ofStatus, c.Field) {
			m.ofRest = append(m.ofRest, &test{Condition: c})
		} else {
			m.onRecord = append(m.onRecord, &test{Condition: c})
		}
	}
	return m
}

// begin is called whenever mu was taken: what is known of shared texts ends when their places have other texts.
func (m *matcher) begin() {
	if m.swaps == m.texts.swaps {
		return
	}
	m.swaps, m.textKnown = m.texts.swaps, nil
	for _, t := range append(slices.Clone(m.onRecord), m.ofRest...) {
		t.known = nil
	}
}

func (m *matcher) all(r *row) bool { return m.record(r) && m.status(r) }

// record reports whether the conditions on the record hold, and the text is in it.
func (m *matcher) record(r *row) bool {
	for _, t := range m.onRecord {
		if !m.holds(t, r) {
			return false
		}
	}
	return m.text == "" || m.contains(r)
}

// status reports whether the other conditions hold.
func (m *matcher) status(r *row) bool {
	for _, t := range m.ofRest {
		if !m.holds(t, r) {
			return false
		}
	}
	return true
}

// holds reports whether a condition holds.
func (m *matcher) holds(t *test, r *row) bool {
	shared := func(at uint32) bool {
		return t.known.of(at, func() bool { return t.Holds(m.texts.lower(at)...) })
	}
	switch t.Field {
	case "vendor":
		return t.known.of(r.kind, func() bool { return t.Holds(m.texts.one(r.kind, 0)) })
	case "model":
		return t.known.of(r.kind, func() bool {
			vendor, model := m.texts.one(r.kind, 0), m.texts.one(r.kind, 1)
			return t.Holds(model, vendor+"/"+model)
		})
	case "profile":
		return shared(r.profile)
	case "source":
		return shared(r.source)
	case "tag":
		return shared(r.tags)
	case "overridden":
		return shared(r.overridden)
	case "firmware":
		return shared(r.firmware)
	case "subnet":
		return shared(r.subnet)
	case "on_phone":
		return t.known.of(r.onPhone, func() bool { return t.Holds(parametersOf(m.texts.lower(r.onPhone))...) })
	case "left_out":
		return shared(r.leftOut)
	case "state":
		return t.Holds(states[r.state])
	case "registered":
		return t.Holds(m.registered(r))
	case "label":
		return t.Holds(r.part(textLabel))
	case "location":
		return t.Holds(r.part(textLocation))
	}
	return t.Holds(listed(t.Field, r)...)
}

// registered returns the state of a phone's lines at the PBX; "" when nothing is known.
func (m *matcher) registered(r *row) string {
	if m.registration == nil || r.ip == 0 {
		return ""
	}
	var accounts []registration.Account
	for number, registrar := range r.lines {
		accounts = append(accounts, registration.Account{Number: number, Registrar: registrar})
	}
	return registration.Summary(m.registration(accounts, unpackAddr(r.ip)))
}

// listed returns the values of a field that can have several, and that few rows share.
func listed(field string, r *row) (values []string) {
	switch field {
	case "mac":
		return append([]string{r.mac.Hex()}, slices.Collect(r.otherMACs)...)
	case "extension":
		for number, registrar := range r.lines {
			values = append(values, number, fleet.Line{Extension: number, Registrar: registrar}.String())
		}
	case "registrar":
		for _, registrar := range r.lines {
			values = append(values, registrar)
		}
	}
	return values
}

// contains reports whether one of the texts of a row contains the text to search for.
func (m *matcher) contains(r *row) bool {
	shared := func(at uint32) bool {
		return m.textKnown.of(at, func() bool {
			return slices.ContainsFunc(m.texts.lower(at), func(s string) bool { return strings.Contains(s, m.text) })
		})
	}
	switch {
	case shared(r.kind), shared(r.profile), m.hasMAC(r):
		return true
	case m.longNotes[r.mac]:
		return true
	case r.reserved != 0 && m.inAddr && strings.Contains(unpackAddr(r.reserved).String(), m.text):
		return true
	}
	if !strings.Contains(r.text, m.text) { // most rows
		return false
	}
	for i := range textLines {
		if strings.Contains(r.part(i), m.text) {
			return true
		}
	}
	for number := range r.lines {
		if strings.Contains(number, m.text) {
			return true
		}
	}
	return false
}

// hasMAC reports whether the text is a part of one of the MACs, with or without separators.
func (m *matcher) hasMAC(r *row) bool {
	if !m.inMAC {
		return false
	}
	var digits [12]byte
	hex.Encode(digits[:], r.mac[:])
	if strings.Contains(string(digits[:]), m.bare) {
		return true
	}
	for mac := range r.otherMACs {
		if strings.Contains(mac, m.bare) {
			return true
		}
	}
	return false
}

// searchNotes searches the notes that are too long for rows.
func (x *Index) searchNotes(m *matcher) error {
	if m.text == "" {
		return nil
	}
	var long []dhcp.MAC
	x.mu.RLock()
	for _, r := range x.rows {
		if r.has(longNote) {
			long = append(long, r.mac)
		}
	}
	x.mu.RUnlock()
	if len(long) == 0 {
		return nil
	}
	m.longNotes = map[dhcp.MAC]bool{}
	return x.c.Records.View(func(f fleet.View) error {
		for _, mac := range long {
			d, err := f.Device(mac)
			switch {
			case errors.Is(err, fleet.ErrNotFound): // deleted meanwhile
			case err != nil:
				return err
			case strings.Contains(strings.ToLower(d.Notes), m.text):
				m.longNotes[mac] = true
			}
		}
		return nil
	})
}
