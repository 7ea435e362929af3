package pack

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/packdoc"
	"plugtone/provision/yamlpos"
)

// Boot is what a phone sends when it boots, for plugtone simulate.
type Boot struct {
	Option60  string  // vendor class; "" when the phone sends none
	Hostname  string  // option 12; "" when the phone sends none
	Params    []uint8 // option 55, in the phone's order
	Server    []uint8 // options that the provisioning server is read from; the first found wins
	UserAgent string  // of its HTTP requests
}

// bootPlaceholders returns the placeholders of the texts of boot, besides the pack's variables.
func bootPlaceholders() []string { return []string{"model", "mac", "MAC", "mac_colon", "MAC_dash"} }

// Boot returns what a model sends when it boots. It is an error when the pack doesn't state it.
func (v *Vendor) Boot(model string, mac dhcp.MAC) (Boot, error) {
	m := v.ModelOrGeneric(model)
	for i := range v.doc.Boot {
		d := &v.doc.Boot[i]
		if len(d.For) > 0 && !m.IsAny(d.For) {
			continue
		}
		vars := map[string]string{"model": m.Name, "mac": mac.Hex(), "MAC": strings.ToUpper(mac.Hex()), "mac_colon": mac.String(),
			"MAC_dash": strings.ToUpper(strings.ReplaceAll(mac.String(), ":", "-"))}
		for name, value := range m.Vars {
			vars[name] = value
		}
		b := Boot{}
		for _, c := range d.Params {
			b.Params = append(b.Params, uint8(c))
		}
		for _, c := range d.Server {
			b.Server = append(b.Server, uint8(c))
		}
		// A text whose placeholders are unknown for this model is left out: the phone does not send it.
		if s, ok := substitute(d.Option60, vars); ok {
			b.Option60 = s
		}
		if s, ok := substitute(d.Hostname, vars); ok {
			b.Hostname = s
		}
		if s, ok := substitute(d.UserAgent, vars); ok {
			b.UserAgent = s
		}
		return b, nil
	}
	return Boot{}, fmt.Errorf("pack %s does not state (boot:) how model %s boots", v.ID, model)
}

func (c *compiler) checkBoot() {
	for i, d := range c.doc.Boot {
		bad := func(format string, args ...any) {
			c.problem(d.Pos, "boot: number %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		if len(d.Params) == 0 || len(d.Server) == 0 {
			bad("needs params and server, both lists of option codes")
		}
		for _, code := range slices.Concat(d.Params, d.Server) {
			if code < 1 || code > 254 {
				bad("option %d must be 1 to 254", code)
			}
		}
		for _, code := range d.Server {
			if !slices.Contains(d.Params, code) && !c.forces(code) {
				bad("reads its server from option %d, which it neither requests nor is sent by force", code)
			}
		}
		c.checkFor(d.Pos, fmt.Sprintf("boot: number %d: ", i+1), d.For)
		for _, text := range []string{d.Option60, d.Hostname, d.UserAgent} {
			if name := c.unknownPlaceholder(text, bootPlaceholders()); name != "" {
				bad("{%s} must be one of %s and the pack's variables", name, strings.Join(bootPlaceholders(), ", "))
			}
		}
		c.note(yamlpos.Pos{}, "how it boots", d.Basis)
	}
}

// forces reports whether the pack sends an option to phones that don't request it.
func (c *compiler) forces(code int) bool {
	return slices.ContainsFunc(c.doc.DHCP, func(d packdoc.Option) bool { return d.Option == code && d.Force })
}

// SampleMAC returns a MAC with the first of the vendor's prefixes, for simulated phones; ok is false when the pack has none.
func (v *Vendor) SampleMAC() (m dhcp.MAC, ok bool) {
	for _, c := range v.doc.Recognise.OUI {
		digits := strings.NewReplacer(":", "", "-", "", ".", "").Replace(c.Match)
		if len(digits) > 12 {
			continue
		}
		mac, err := dhcp.ParseMAC(digits + "000000000001"[len(digits):])
		if err == nil {
			return mac, true
		}
	}
	return dhcp.MAC{}, false
}
