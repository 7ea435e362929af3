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
)

// Options gives the DHCP options for a phone of this vendor in the vendor's own form and order. model may be "".
func (v *Vendor) Options(model string, mac dhcp.MAC, site dhcp.Site) (Options, error) {
	out := Options{Quirks: v.doc.Quirks}
	m := v.model(model)
	vars, err := v.placeholders(m, mac, site)
	if err != nil {
		return out, err
	}
	for i := range v.doc.DHCP {
		d := &v.doc.DHCP[i]
		if !m.isAny(d.For) || !conditionsHold(d.When, vars, site.VoiceVLAN) {
			continue
		}
		if slices.ContainsFunc(out.List, func(o dhcp.Option) bool { return int(o.Code) == d.Option }) {
			continue // the first that fits the phone counts
		}
		data, known, err := d.encode(vars, site.VoiceVLAN)
		if err != nil {
			return out, fmt.Errorf("%s: DHCP option %d: %w", v.ID, d.Option, err)
		}
		if known {
			out.List = append(out.List, dhcp.Option{Code: uint8(d.Option), Data: data, Force: d.Force})
		}
	}
	return out, nil
}

// placeholders gives what the placeholders of options stand for; those that are unknown have no entry.
func (v *Vendor) placeholders(m *Model, mac dhcp.MAC, site dhcp.Site) (map[string]string, error) {
	var w view
	if err := w.setServer(site.ProvisioningURL); err != nil {
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

// substitute fills in placeholders; known is false when one has nothing to stand for.
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

func (d *optionDoc) encode(vars map[string]string, vlan int) (data []byte, known bool, err error) {
	if d.TLV == nil {
		return encodeValue(d.Text, d.IPs, d.Hex, d.U8, d.U16, d.U32, d.NUL, vars)
	}
	for _, t := range d.TLV {
		if !conditionsHold(t.When, vars, vlan) {
			continue
		}
		val, ok, err := encodeValue(t.Text, t.IPs, t.Hex, t.U8, t.U16, t.U32, t.NUL, vars)
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

func encodeValue(text *string, ips []string, hexa, u8, u16, u32 *string, nul bool, vars map[string]string) (data []byte, known bool, err error) {
	switch {
	case text != nil:
		s, known := substitute(*text, vars)
		if nul {
			s += "\x00"
		}
		return []byte(s), known, nil
	case ips != nil:
		for _, ip := range ips {
			s, known := substitute(ip, vars)
			if !known {
				return nil, false, nil
			}
			a, err := netip.ParseAddr(s)
			if err != nil || !a.Is4() {
				return nil, false, fmt.Errorf("%q is no IPv4 address", s)
			}
			data = append(data, a.AsSlice()...)
		}
		return data, true, nil
	case hexa != nil:
		data, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(*hexa))
		return data, true, err
	}
	for _, n := range []struct {
		text *string
		bits int
	}{{u8, 8}, {u16, 16}, {u32, 32}} {
		if n.text == nil {
			continue
		}
		s, known := substitute(*n.text, vars)
		if !known {
			return nil, false, nil
		}
		x, err := strconv.ParseUint(s, 0, n.bits)
		if err != nil {
			return nil, false, fmt.Errorf("%q is no number of %d bits", s, n.bits)
		}
		return binary.BigEndian.AppendUint32(nil, uint32(x))[4-n.bits/8:], true, nil
	}
	return nil, false, fmt.Errorf("has no value")
}

// checkOptions tells what is wrong with the declarations, without a phone.
func (v *Vendor) checkOptions() []error {
	var errs []error
	for i := range v.doc.DHCP {
		d := &v.doc.DHCP[i]
		line := items(member(v.node, "dhcp"))[i].Line
		bad := func(format string, args ...any) {
			errs = append(errs, atLine(line, "dhcp: option %d: %s", d.Option, fmt.Sprintf(format, args...)))
		}
		if d.Option < 1 || d.Option > 254 {
			bad("is none of 1 to 254")
		}
		if slices.Contains([]int{1, 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 82}, d.Option) {
			bad("is DHCP's own and not a vendor's to set")
		}
		if n := forms(d.Text != nil, d.IPs != nil, d.Hex != nil, d.U8 != nil, d.U16 != nil, d.U32 != nil, d.TLV != nil); n != 1 {
			bad("needs one of text, ips, hex, u8, u16, u32, tlv, and has %d", n)
		}
		if (d.End || d.Enterprise != 0) && d.TLV == nil {
			bad("end and enterprise belong to tlv")
		}
		if err := v.checkFor(d.For); err != nil {
			bad("%v", err)
		}
		texts := []*string{d.Text, d.Hex, d.U8, d.U16, d.U32}
		conditions := slices.Clone(d.When)
		ips := slices.Clone(d.IPs)
		for _, t := range d.TLV {
			if t.Code < 0 || t.Code > 254 {
				bad("code %d is none of 0 to 254", t.Code)
			}
			if n := forms(t.Text != nil, t.IPs != nil, t.Hex != nil, t.U8 != nil, t.U16 != nil, t.U32 != nil); n != 1 {
				bad("code %d needs one of text, ips, hex, u8, u16, u32, and has %d", t.Code, n)
			}
			texts = append(texts, t.Text, t.Hex, t.U8, t.U16, t.U32)
			conditions = append(conditions, t.When...)
			ips = append(ips, t.IPs...)
		}
		for _, w := range conditions {
			if !slices.Contains(conditionNames(), w) {
				bad("when: %q is none of %s", w, strings.Join(conditionNames(), ", "))
			}
		}
		for _, t := range texts {
			if t != nil {
				ips = append(ips, *t)
			}
		}
		for _, t := range ips {
			if name := v.unknownPlaceholder(t); name != "" {
				bad("{%s} is none of %s and the pack's variables", name, strings.Join(optionPlaceholders(), ", "))
			}
		}
		v.note(line, fmt.Sprintf("DHCP option %d", d.Option), d.Note, d.Source, d.Confidence)
	}
	return errs
}

func forms(have ...bool) int {
	n := 0
	for _, h := range have {
		if h {
			n++
		}
	}
	return n
}

var anyBraces = regexp.MustCompile(`\{([^{}]*)\}`)

func (v *Vendor) unknownPlaceholder(text string) string {
	for _, m := range anyBraces.FindAllStringSubmatch(text, -1) {
		if _, ok := v.doc.Variables[m[1]]; !ok && !slices.Contains(optionPlaceholders(), m[1]) {
			return m[1]
		}
	}
	return ""
}
