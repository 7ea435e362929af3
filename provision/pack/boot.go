package pack

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/dhcp"
)

// Boot is how a phone presents itself when it boots: what plugtone simulate plays.
type Boot struct {
	Option60  string  // vendor class; "" when the phone sends none
	Hostname  string  // option 12; "" when the phone sends none
	Params    []uint8 // option 55, in the phone's order
	Server    []uint8 // options that the provisioning server is read from; the first found wins
	UserAgent string  // of its HTTP requests
}

// bootDoc is one entry of boot: in vendor.yaml.
type bootDoc struct {
	Option60   string    `yaml:"option60"`
	Hostname   string    `yaml:"hostname"`
	Params     []int     `yaml:"params"`
	Server     []int     `yaml:"server"`
	UserAgent  string    `yaml:"user_agent"`
	For        listOrOne `yaml:"for"`
	Source     string    `yaml:"source"`
	Confidence string    `yaml:"confidence"`
	Note       string    `yaml:"note"`
}

// bootPlaceholders may stand in the texts of boot, beside the pack's variables.
func bootPlaceholders() []string { return []string{"model", "mac", "MAC", "mac_colon", "MAC_dash"} }

// Boot tells how a model presents itself. A pack that doesn't say so is an error.
func (v *Vendor) Boot(model string, mac dhcp.MAC) (Boot, error) {
	m := v.model(model)
	for i := range v.doc.Boot {
		d := &v.doc.Boot[i]
		if len(d.For) > 0 && !m.isAny(d.For) {
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
		// What stays unknown for this model is left out: the phone then says nothing there.
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
	return Boot{}, fmt.Errorf("pack %s does not say (boot:) how model %s boots", v.ID, model)
}

func (v *Vendor) checkBoot() []error {
	var errs []error
	for i, d := range v.doc.Boot {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("boot: number %d: %s", i+1, fmt.Sprintf(format, args...)))
		}
		if len(d.Params) == 0 || len(d.Server) == 0 {
			bad("needs params and server, both lists of option codes")
		}
		for _, c := range slices.Concat(d.Params, d.Server) {
			if c < 1 || c > 254 {
				bad("option %d is none of 1 to 254", c)
			}
		}
		for _, c := range d.Server {
			if !slices.Contains(d.Params, c) && !v.forces(c) {
				bad("reads its server from option %d, which it neither asks for nor is sent by force", c)
			}
		}
		if err := v.checkFor(d.For); err != nil {
			bad("%v", err)
		}
		for _, text := range []string{d.Option60, d.Hostname, d.UserAgent} {
			for _, m := range anyBraces.FindAllStringSubmatch(text, -1) {
				if _, ok := v.doc.Variables[m[1]]; !ok && !slices.Contains(bootPlaceholders(), m[1]) {
					bad("{%s} is none of %s and the pack's variables", m[1], strings.Join(bootPlaceholders(), ", "))
				}
			}
		}
		v.note(0, "how it boots", d.Note, d.Source, d.Confidence)
	}
	return errs
}

func (v *Vendor) forces(code int) bool {
	return slices.ContainsFunc(v.doc.DHCP, func(d optionDoc) bool { return d.Option == code && d.Force })
}

// SampleMAC is a MAC with the first of the vendor's prefixes, for simulated phones; ok is false when the pack has none.
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
