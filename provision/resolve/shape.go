package resolve

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// shapeSeed makes the digests of one process comparable.
var shapeSeed = maphash.MakeSeed()

// shape is a digest of what decides whether a phone's files can be rendered. Phones of equal shape differ in the letters and digits of their
// texts alone: of names, numbers, labels and passwords.
func shape(p phonefile.Phone) uint64 {
	s := shaper{}
	s.h.SetSeed(shapeSeed)
	s.exact(p.Vendor, p.Model, p.ServerURL != "", p.CAURL, p.Beyond, p.Assigned)
	s.text(p.Label)
	for _, l := range p.Lines {
		r := l.Registrar
		s.exact("line", l.Position, l.Shared, r.Host, r.Port, r.Transport, r.OutboundProxy, r.BackupHost, r.SIPDomain, r.BackupOutboundProxy, r.RegisterExpires)
		for _, text := range []string{l.Number, l.DisplayName, l.AuthUser, string(l.Password), l.Label, l.Voicemail} {
			s.text(text)
		}
	}
	for _, k := range p.Keys {
		s.exact("key", k.Area, k.Slot, k.Type, k.Line, k.Locked)
		for _, text := range []string{k.Value, k.Label, k.PickupCode} {
			s.text(text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		s.exact("setting", name)
		switch v := p.Settings[name].(type) {
		case setting.Secret:
			s.text(string(v))
		case string:
			if name == "provisioning_user" {
				s.text(v)
				continue
			}
			s.exact(v)
		default:
			s.exact(v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Extra)) {
		s.exact("parameter", name)
		s.text(p.Extra[name])
	}
	return s.h.Sum64()
}

// shaper adds to a digest.
type shaper struct{ h maphash.Hash }

// exact adds values as they are.
func (s *shaper) exact(values ...any) {
	for _, v := range values {
		fmt.Fprintf(&s.h, "%v\x00", v)
	}
}

// text adds what decides whether a text can be written: its length, in steps while it is short, whether it has letters and digits, and
// each other character that it has, in any order.
func (s *shaper) text(text string) {
	length := len(text)
	if length < 24 {
		length = (length + 7) / 8
	}
	var has []rune
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			r = '0'
		case r < utf8.RuneSelf && unicode.IsLetter(r):
			r = 'a'
		case r >= utf8.RuneSelf && unicode.IsLetter(r):
			r = 'é' // stands for all letters beyond ASCII
		case r == ' ' && (i == 0 || i == len(text)-1):
			r = utf8.MaxRune // stands for a space at an end
		}
		if !slices.Contains(has, r) {
			has = append(has, r)
		}
	}
	slices.Sort(has)
	s.exact(length, string(has))
}
