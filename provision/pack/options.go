package pack

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
)

// Options returns the DHCP options for a phone of this vendor in the vendor's own form and order. model may be "".
func (v *Vendor) Options(model string, mac dhcp.MAC, site dhcp.Site) (Options, error) {
	out := Options{Quirks: v.doc.Quirks}
	m := v.ModelOrGeneric(model)
	vars, err := v.placeholders(m, mac, site)
	if err != nil {
		return out, err
	}
	for i := range v.doc.DHCP {
		d := &v.doc.DHCP[i]
		if !m.IsAny(d.For) || !conditionsHold(d.When, vars, site.VoiceVLAN) {
			continue
		}
		if slices.ContainsFunc(out.List, func(o dhcp.Option) bool { return int(o.Code) == d.Option }) {
			continue // the first that applies to the phone counts
		}
		data, known, err := encodeOption(d, vars, site.VoiceVLAN)
		if err != nil {
			return out, fmt.Errorf("%s: DHCP option %d: %w", v.ID, d.Option, err)
		}
		if known {
			out.List = append(out.List, dhcp.Option{Code: uint8(d.Option), Data: data, Force: d.Force})
		}
	}
	return out, nil
}

// placeholders returns the values of the placeholders of options; unknown ones have no entry.
func (v *Vendor) placeholders(m *phonefile.Model, mac dhcp.MAC, site dhcp.Site) (map[string]string, error) {
	w, err := phonefile.ParseServerAddress(site.ProvisioningURL)
	if err != nil {
		return nil, err
	}
	vars := map[string]string{"url": w.URL, "url_bare": w.URLBare, "scheme": w.Scheme, "host": w.Host, "port": strconv.Itoa(w.Port),
		"path": w.Path, "server": w.Server, "voice_vlan": strconv.Itoa(site.VoiceVLAN), "mac": macText(mac), "MAC": strings.ToUpper(macText(mac)), "model": m.Name}
	if ip, err := netip.ParseAddr(w.Host); err == nil {
		vars["server_ip"] = ip.String()
	} else if site.NextServer.IsValid() {
		vars["server_ip"] = site.NextServer.String()
	}
	for k, x := range m.Vars {
		vars[k] = x
	}
	return vars, nil
}

func optionPlaceholders() []string {
	return []string{"url", "url_bare", "scheme", "host", "port", "path", "server", "server_ip", "voice_vlan", "mac", "MAC", "model"}
}

var placeholder = regexp.MustCompile(`\{([A-Za-z0-9_]+)\}`)

// substitute fills in placeholders; known is false when one has no value.
func substitute(text string, vars map[string]string) (out string, known bool) {
	known = true
	out = placeholder.ReplaceAllStringFunc(text, func(s string) string {
		x, ok := vars[s[1:len(s)-1]]
		known = known && ok && (x != "" || s == "{path}")
		return x
	})
	return out, known
}

// conditionNames are the conditions of options: a voice VLAN is set, or the provisioning URL has this scheme.
func conditionNames() []string { return []string{"voice_vlan", "http", "https", "tftp"} }

// conditionsHold reports whether every condition is met.
func conditionsHold(when []string, vars map[string]string, vlan int) bool {
	return !slices.ContainsFunc(when, func(w string) bool {
		if w == "voice_vlan" {
			return vlan == 0
		}
		return vars["scheme"] != w
	})
}

// encodeOption encodes an option, and its sub-options; known is false when a placeholder in it has no value.
func encodeOption(d *packdoc.Option, vars map[string]string, vlan int) (data []byte, known bool, err error) {
	if d.TLV == nil {
		return encodeValue(d.OptionValue, vars)
	}
	for _, t := range d.TLV {
		if !conditionsHold(t.When, vars, vlan) {
			continue
		}
		val, ok, err := encodeValue(t.OptionValue, vars)
		if err != nil {
			return nil, false, fmt.Errorf("code %d: %w", t.Code, err)
		}
		if !ok || len(val) == 0 {
			continue
		}
		if len(val) > 255 {
			return nil, false, fmt.Errorf("code %d: %d bytes don't fit, at most 255 do", t.Code, len(val))
		}
		data = append(data, byte(t.Code), byte(len(val)))
		data = append(data, val...)
	}
	if len(data) == 0 {
		return nil, false, nil
	}
	if d.End {
		data = append(data, 0xff)
	}
	if d.Enterprise != 0 {
		// RFC 3925, 4: enterprise number, length of what follows, then the sub-options.
		if len(data) > 255 {
			return nil, false, fmt.Errorf("enterprise %d: %d bytes don't fit, at most 255 do", d.Enterprise, len(data))
		}
		head := binary.BigEndian.AppendUint32(nil, uint32(d.Enterprise))
		data = append(append(head, byte(len(data))), data...)
	}
	return data, true, nil
}

// encodeValue encodes a value in the form that it has; known is false when a placeholder in it has no value.
func encodeValue(v packdoc.OptionValue, vars map[string]string) (data []byte, known bool, err error) {
	switch {
	case v.Text != nil:
		s, known := substitute(*v.Text, vars)
		if v.NUL {
			s += "\x00"
		}
		return []byte(s), known, nil
	case v.IPs != nil:
		return encodeAddrs(v.IPs, vars)
	case v.Hex != nil:
		data, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(*v.Hex))
		return data, true, err
	}
	for _, n := range []struct {
		text *string
		bits int
	}{{v.U8, 8}, {v.U16, 16}, {v.U32, 32}} {
		if n.text == nil {
			continue
		}
		s, known := substitute(*n.text, vars)
		if !known {
			return nil, false, nil
		}
		x, err := strconv.ParseUint(s, 0, n.bits)
		if err != nil {
			return nil, false, fmt.Errorf("%q is not a number of %d bits", s, n.bits)
		}
		return binary.BigEndian.AppendUint32(nil, uint32(x))[4-n.bits/8:], true, nil
	}
	return nil, false, fmt.Errorf("has no value")
}

func encodeAddrs(ips []string, vars map[string]string) (data []byte, known bool, err error) {
	for _, ip := range ips {
		s, known := substitute(ip, vars)
		if !known {
			return nil, false, nil
		}
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is4() {
			return nil, false, fmt.Errorf("%q is not an IPv4 address", s)
		}
		data = append(data, a.AsSlice()...)
	}
	return data, true, nil
}

// checkOptions validates the declarations, without a phone.
func (c *compiler) checkOptions() {
	for i := range c.doc.DHCP {
		d := &c.doc.DHCP[i]
		bad := func(format string, args ...any) {
			c.problem(d.Pos, "dhcp: option %d: %s", d.Option, fmt.Sprintf(format, args...))
		}
		if d.Option < 1 || d.Option > 254 {
			bad("must be 1 to 254")
		}
		if slices.Contains([]int{1, 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 82}, d.Option) {
			bad("belongs to the DHCP server and can't be set by a pack")
		}
		if n := forms(d.OptionValue, d.TLV != nil); n != 1 {
			bad("needs one of text, ips, hex, u8, u16, u32, tlv, and has %d", n)
		}
		if (d.End || d.Enterprise != 0) && d.TLV == nil {
			bad("end and enterprise belong to tlv")
		}
		c.checkFor(d.Pos, fmt.Sprintf("dhcp: option %d: ", d.Option), d.For)
		c.checkOptionTexts(d, bad)
		c.note(d.Pos, fmt.Sprintf("DHCP option %d", d.Option), d.Basis)
	}
}

// checkOptionTexts checks the sub-options, the conditions and the placeholders of an option.
func (c *compiler) checkOptionTexts(d *packdoc.Option, bad func(format string, args ...any)) {
	conditions := slices.Clone(d.When)
	texts := optionTexts(d.OptionValue)
	for _, t := range d.TLV {
		if t.Code < 0 || t.Code > 254 {
			bad("code %d must be 0 to 254", t.Code)
		}
		if n := forms(t.OptionValue, false); n != 1 {
			bad("code %d needs one of text, ips, hex, u8, u16, u32, and has %d", t.Code, n)
		}
		texts = append(texts, optionTexts(t.OptionValue)...)
		conditions = append(conditions, t.When...)
	}
	for _, w := range conditions {
		if !slices.Contains(conditionNames(), w) {
			bad("when: %q must be one of %s", w, strings.Join(conditionNames(), ", "))
		}
	}
	for _, t := range texts {
		if name := c.unknownPlaceholder(t, optionPlaceholders()); name != "" {
			bad("{%s} must be one of %s and the pack's variables", name, strings.Join(optionPlaceholders(), ", "))
		}
	}
}

// optionTexts returns the texts of a value, whichever form it has.
func optionTexts(v packdoc.OptionValue) []string {
	texts := slices.Clone(v.IPs)
	for _, t := range []*string{v.Text, v.Hex, v.U8, v.U16, v.U32} {
		if t != nil {
			texts = append(texts, *t)
		}
	}
	return texts
}

// forms counts the forms in which a value is written.
func forms(v packdoc.OptionValue, tlv bool) int {
	n := 0
	for _, have := range []bool{v.Text != nil, v.IPs != nil, v.Hex != nil, v.U8 != nil, v.U16 != nil, v.U32 != nil, tlv} {
		if have {
			n++
		}
	}
	return n
}

var anyBraces = regexp.MustCompile(`\{([^{}]*)\}`)

// unknownPlaceholder returns the first placeholder that is neither among known nor a variable of the pack, "" for none.
func (c *compiler) unknownPlaceholder(text string, known []string) string {
	for _, m := range anyBraces.FindAllStringSubmatch(text, -1) {
		if _, ok := c.doc.Variables[m[1]]; !ok && !slices.Contains(known, m[1]) {
			return m[1]
		}
	}
	return ""
}
