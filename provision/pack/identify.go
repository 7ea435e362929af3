package pack

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
)

// matcher is one compiled entry of recognise.
type matcher struct {
	vendor     *Vendor
	kind       string
	rank       Rank
	re         *regexp.Regexp // nil under oui
	prefix     string         // oui: hex digits
	shown      string         // the prefix as people write it
	model      string
	confidence string
}

// evidenceKinds lists the kinds of evidence in the order of recognise.
var evidenceKinds = []struct {
	name string
	rank Rank
	of   func(Evidence) string
	docs func(packdoc.Recognise) []packdoc.Matcher
}{
	{"user_agent", RankUserAgent, func(e Evidence) string { return e.UserAgent }, func(r packdoc.Recognise) []packdoc.Matcher { return r.UserAgent }},
	{"option60", RankOption60, func(e Evidence) string { return strings.TrimRight(e.VendorClass, "\x00") }, func(r packdoc.Recognise) []packdoc.Matcher { return r.Option60 }},
	{"option43", RankClass, func(e Evidence) string { return e.VendorInfo }, func(r packdoc.Recognise) []packdoc.Matcher { return r.Option43 }},
	{"option77", RankClass, func(e Evidence) string { return e.UserClass }, func(r packdoc.Recognise) []packdoc.Matcher { return r.Option77 }},
	{"option124", RankClass, func(e Evidence) string { return e.VIVC }, func(r packdoc.Recognise) []packdoc.Matcher { return r.Option124 }},
	{"option125", RankClass, func(e Evidence) string { return e.VIVSO }, func(r packdoc.Recognise) []packdoc.Matcher { return r.Option125 }},
	{"hostname", RankHostname, func(e Evidence) string { return strings.TrimRight(e.Hostname, "\x00") }, func(r packdoc.Recognise) []packdoc.Matcher { return r.Hostname }},
	{"filename", RankFileName, func(e Evidence) string { return cleanName(e.FileName) }, func(r packdoc.Recognise) []packdoc.Matcher { return r.FileName }},
	{"option55", RankParams, func(e Evidence) string { return paramList(e.Params) }, func(r packdoc.Recognise) []packdoc.Matcher { return r.Option55 }},
	{"oui", RankOUI, func(e Evidence) string { return macText(e.MAC) }, func(r packdoc.Recognise) []packdoc.Matcher { return r.OUI }},
}

func paramList(params []uint8) string {
	text := make([]byte, 0, 4*len(params))
	for i, p := range params {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, uint64(p), 10)
	}
	return string(text)
}

// ouiDigits is how many digits every prefix has; some, of small blocks, have more.
const ouiDigits = 6

var ouiRE = regexp.MustCompile(`^[0-9a-f]{6,11}$`)

// compileMatchers makes the vendor's matchers.
func (c *compiler) compileMatchers() {
	for _, k := range evidenceKinds {
		for _, d := range k.docs(c.doc.Recognise) {
			m := matcher{vendor: c.v, kind: k.name, rank: k.rank, model: d.Model, confidence: d.Confidence}
			c.note(d.Pos, k.name+" "+d.Match, d.Basis)
			if k.name == "oui" {
				m.prefix = strings.ToLower(strings.NewReplacer(":", "", "-", "").Replace(d.Match))
				if !ouiRE.MatchString(m.prefix) {
					c.problem(d.Pos, "oui %q must be a prefix such as 00:15:65", d.Match)
					continue
				}
				m.shown = colons(m.prefix)
				c.v.matchers = append(c.v.matchers, m)
				continue
			}
			re, err := regexp.Compile(d.Match)
			if err != nil || d.Match == "" {
				c.problem(d.Pos, "%s %q is not a regular expression: %v", k.name, d.Match, err)
				continue
			}
			m.re = re
			c.v.matchers = append(c.v.matchers, m)
		}
	}
}

// addMatchers adds matchers to those of the set.
func (s *Set) addMatchers(matchers []matcher) {
	for _, c := range matchers {
		if c.kind == "oui" {
			s.ouis[c.prefix[:ouiDigits]] = append(s.ouis[c.prefix[:ouiDigits]], c)
		} else {
			s.matchers[c.kind] = append(s.matchers[c.kind], c)
		}
	}
}

// Identify weighs evidence. The best clue names the vendor; the best of the vendor's clues that have a model or a firmware
// names that. Clues that contradict are returned as conflicts.
func (s *Set) Identify(e Evidence) Identity {
	clues := s.clues(e)
	if len(clues) == 0 {
		return Identity{}
	}
	best := clues[0]
	id := Identity{Vendor: best.Vendor, Rank: best.Rank, Clues: clues, Reason: fmt.Sprintf("recognised as %s by %s %q", best.Vendor, best.Kind, best.Value)}
	for _, c := range clues {
		if c.Vendor != id.Vendor {
			continue
		}
		if id.ReportedModel == "" && c.Model != "" {
			id.ReportedModel = c.Model
		}
		if id.Model == "" && c.Known {
			id.Model = c.Model
		}
		if id.Firmware == "" {
			id.Firmware = c.Firmware
		}
		if id.MAC.IsZero() {
			id.MAC = c.MAC
		}
	}
	for _, c := range clues {
		switch {
		case c.Vendor != id.Vendor:
			// Several vendors share a name such as {mac}.cfg, and an OUI names only the vendor of the chip: neither contradicts better evidence.
			if c.Rank > RankFileName {
				id.Conflicts = append(id.Conflicts, c)
			}
		case c.Known && c.Model != id.Model, !c.MAC.IsZero() && !e.MAC.IsZero() && c.MAC != e.MAC:
			id.Conflicts = append(id.Conflicts, c)
		}
	}
	return id
}

// Contradicts returns the vendor that is recognised when that can't be the one recorded: the phone's own DHCP options or user agent name
// it, and none of them names the recorded one. Else it returns "".
func (id Identity) Contradicts(recorded string) string {
	strong := func(vendor string) bool {
		return slices.ContainsFunc(id.Clues, func(c Clue) bool { return c.Vendor == vendor && c.Rank > RankHostname })
	}
	if recorded == "" || id.Vendor == recorded || !strong(id.Vendor) || strong(recorded) {
		return ""
	}
	return id.Vendor
}

// clues returns a clue for each piece of evidence that a pack recognises, the best first.
func (s *Set) clues(e Evidence) []Clue {
	var out []Clue
	for _, k := range evidenceKinds {
		val := k.of(e)
		if val == "" {
			continue
		}
		found := len(out)
		matchers := s.matchers[k.name]
		if k.name == "oui" {
			matchers = s.ouis[val[:ouiDigits]]
		}
		for i := range matchers {
			c := &matchers[i]
			if clue, ok := c.match(val); ok && !hasVendor(out[found:], clue.Vendor) {
				out = append(out, clue)
			}
		}
		if k.name == "filename" {
			for _, m := range s.Resolve(val) {
				v := s.byName[m.Vendor]
				if v.Recognises && distinctive(m) && !hasVendor(out[found:], m.Vendor) {
					out = append(out, Clue{Rank: RankFileName, Kind: "filename", Value: shown(k.name, val), Vendor: m.Vendor, Model: m.Model, Known: m.Model != "", MAC: m.MAC})
				}
			}
		}
	}
	// A name that several vendors share identifies none of them: a clue of any rank that names one of them decides.
	slices.SortStableFunc(out, func(a, b Clue) int { return int(b.Rank - a.Rank) })
	return s.rankSharedNames(out)
}

// distinctive reports whether a matching name is evidence: phones of any vendor may request static files and firmware.
func distinctive(m phonefile.Match) bool {
	return m.File.Kind != phonefile.KindStatic && m.File.Kind != phonefile.KindFirmware
}

// rankSharedNames orders the clues of a shared file name by the other clues for their vendors.
func (s *Set) rankSharedNames(clues []Clue) []Clue {
	if len(clues) == 0 {
		return nil
	}
	weight := make(map[string]int)
	for _, c := range clues {
		if c.Kind != "filename" {
			weight[c.Vendor] += 1 << (2 * int(c.Rank))
		}
	}
	slices.SortStableFunc(clues, func(a, b Clue) int {
		if a.Rank != b.Rank {
			return int(b.Rank - a.Rank)
		}
		return weight[b.Vendor] - weight[a.Vendor]
	})
	shared := 0
	for _, c := range clues {
		if c.Kind == "filename" {
			shared++
		}
	}
	if shared > 1 && len(clues) > 0 && clues[0].Kind == "filename" && weight[clues[0].Vendor] == 0 {
		// No other clue decides between them: better no vendor than a wrong one.
		return slices.DeleteFunc(clues, func(c Clue) bool { return c.Kind == "filename" })
	}
	return clues
}

func hasVendor(clues []Clue, vendor string) bool {
	return slices.ContainsFunc(clues, func(c Clue) bool { return c.Vendor == vendor })
}

// match returns the clue of a value, if it matches. It is called for every matcher with every packet, so it allocates nothing before the match.
func (c *matcher) match(val string) (Clue, bool) {
	var m []string
	if c.re == nil {
		if !strings.HasPrefix(val, c.prefix) {
			return Clue{}, false
		}
	} else if m = c.re.FindStringSubmatch(val); m == nil {
		return Clue{}, false
	}
	out := Clue{Rank: c.rank, Kind: c.kind, Value: c.shown, Vendor: c.vendor.ID, Model: c.model, Confidence: c.confidence}
	if c.re == nil {
		return out, true
	}
	out.Value = shown(c.kind, val)
	for i, name := range c.re.SubexpNames() {
		switch {
		case m[i] == "":
		case name == "model" && out.Model == "":
			out.Model = m[i]
		case name == "firmware":
			out.Firmware = m[i]
		case name == "mac":
			if mac, err := parseMAC(m[i]); err == nil {
				out.MAC = mac
			}
		}
	}
	if model, ok := c.vendor.Model(out.Model); ok {
		out.Model, out.Known = model.Name, true
	}
	return out, true
}

// parseMAC reads a MAC in any mixture of separators, as phones put it into user agents.
func parseMAC(s string) (dhcp.MAC, error) {
	return dhcp.ParseMAC(strings.NewReplacer(":", "", "-", "", ".", "").Replace(s))
}

// shown returns evidence as it may be logged. Options 43, 124 and 125 are bytes, not texts.
func shown(kind, val string) string {
	switch kind {
	case "option43", "option124", "option125":
		return dhcp.Printable(dhcp.TextOrHex([]byte(val)), maxShown)
	}
	return dhcp.Printable(val, maxShown)
}

// maxShown is how many bytes of evidence are shown.
const maxShown = 200

// Resolve returns how each pack that has the file name reads it, sorted by vendor.
func (s *Set) Resolve(name string) []phonefile.Match {
	var out []phonefile.Match
	for _, v := range s.vendors {
		if m, ok := v.Resolve(name); ok {
			out = append(out, m)
		}
	}
	return out
}

// cleanName returns a file name as it is looked up, "" for a malformed one.
func cleanName(name string) string {
	if name == "" { // as in every DHCP packet
		return ""
	}
	name, err := phonefile.CleanName(name)
	if err != nil {
		return ""
	}
	return name
}

// macText returns a MAC in lower-case hexadecimal, "" for the zero MAC.
func macText(m dhcp.MAC) string {
	if m.IsZero() {
		return ""
	}
	return m.Hex()
}
