// Package packcheck checks vendor packs before a daemon uses them: it renders every file of every model for sample phones
// and reads the results back, compares goldens, and checks what the pack recognises.
//
// It makes phones up. The records of real ones are never read here.
package packcheck

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// maxFindings bounds how many problems of one pack are reported.
const maxFindings = 20

// Load loads packs, and renders those of operators' folders for sample phones.
func Load(c pack.Config) (*pack.Set, error) {
	c.Check = RenderSamples
	return pack.Load(c)
}

// finding is one problem that some models have with a sample phone.
type finding struct {
	problem, sample string
	models          []string
}

// RenderSamples renders every file of every model for sample phones and reads the results back. Its error joins every
// problem; one that several models have is reported once.
func RenderSamples(v *pack.Vendor) error {
	var found []*finding
	for _, m := range append(slices.Clone(v.Models()), v.Generic()) {
		for _, s := range Samples(v, m) {
			problem := checkPhone(v, m, s.Phone, s.Name == "least")
			if problem == "" {
				continue
			}
			name := cmp.Or(m.Name, "unknown")
			i := slices.IndexFunc(found, func(f *finding) bool { return f.problem == problem && f.sample == s.Name })
			if i >= 0 {
				found[i].models = append(found[i].models, name)
			} else if len(found) < maxFindings {
				found = append(found, &finding{problem, s.Name, []string{name}})
			}
			break // the next sample would mostly show the same
		}
	}
	var errs []error
	for _, f := range found {
		models := "model " + f.models[0]
		if n := len(f.models) - 1; n > 0 {
			models += fmt.Sprintf(" and %d more", n)
		}
		errs = append(errs, fmt.Errorf("%s (%s, sample phone %q)", f.problem, models, f.sample))
	}
	return errors.Join(errs...)
}

// checkPhone renders all files of a phone and returns the first problem, "" when there is none. The least phone must not
// be refused by a template.
func checkPhone(v *pack.Vendor, m *phonefile.Model, p phonefile.Phone, least bool) string {
	for _, f := range v.Files(p) {
		if !f.File.Rendered() {
			continue
		}
		err := v.VerifyFile(f.File, p)
		if phonefile.IsRefusal(err) && !least || errors.Is(err, phonefile.ErrNoContent) {
			continue // the template states what a phone can't be; it must be able to be something
		}
		if err != nil {
			return v.Place(f.File, err)
		}
	}
	site := dhcp.Site{NextServer: netip.AddrFrom4([4]byte{10, 20, 0, 2}), ProvisioningURL: p.ServerURL, VoiceVLAN: 20}
	if _, err := v.Options(m.Name, p.MAC, site); err != nil {
		return v.Place(nil, err)
	}
	return ""
}
