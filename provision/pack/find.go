package pack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// Unknown is the error about a vendor or model that no pack has, or more than one. Message is what is wrong apart from the
// name, for a message that has the name already.
type Unknown struct{ Kind, Name, Message string }

func (e *Unknown) Error() string { return fmt.Sprintf("%s %.60q %s", e.Kind, e.Name, e.Message) }

// Vendors lists the packs by ID.
func (s *Set) Vendors() []*Vendor { return s.vendors }

// Vendor finds a pack by its ID or an alias.
func (s *Set) Vendor(name string) (*Vendor, bool) {
	v, ok := s.byName[strings.ToLower(name)]
	return v, ok
}

// FindVendor finds a pack by its ID or an alias; its error names the nearest ones.
func (s *Set) FindVendor(name string) (*Vendor, error) {
	if v, ok := s.Vendor(name); ok {
		return v, nil
	}
	words := nearest(name, slices.Sorted(maps.Keys(s.byName)), "")
	if words == "" {
		var ids []string
		for _, v := range s.vendors {
			ids = append(ids, v.ID)
		}
		words = ", known are " + strings.Join(ids, ", ")
	}
	return nil, &Unknown{"vendor", name, "is not known" + words}
}

// FindModel finds a model: "T46U" of a vendor, or of any when vendor is "", or "yealink/T46U". Its error names the
// nearest ones, or all vendors that have a model of this name.
func (s *Set) FindModel(vendor, model string) (*Vendor, *phonefile.Model, error) {
	if before, after, ok := strings.Cut(model, "/"); ok {
		if vendor != "" {
			a, err := s.FindVendor(vendor)
			if err != nil {
				return nil, nil, err
			}
			if b, ok := s.Vendor(before); ok && a != b {
				return nil, nil, &Unknown{"model", model, "is not of vendor " + a.ID}
			}
		}
		vendor, model = before, after
	}
	if vendor != "" {
		v, err := s.FindVendor(vendor)
		if err != nil {
			return nil, nil, err
		}
		m, err := v.FindModel(model)
		if err != nil {
			if other, of, err := s.FindModel("", model); err == nil {
				return nil, nil, &Unknown{"model", model, "is not a model of " + v.ID + ", but " + other.ID + "/" + of.Name + " exists"}
			}
			return nil, nil, err
		}
		return v, m, nil
	}
	var found []string
	var names []string
	var fv *Vendor
	var fm *phonefile.Model
	for _, v := range s.vendors {
		for _, n := range v.ModelNames() {
			names = append(names, v.ID+"/"+n)
		}
		if m, ok := v.Model(model); ok {
			found = append(found, v.ID+"/"+m.Name)
			fv, fm = v, m
		}
	}
	switch len(found) {
	case 1:
		return fv, fm, nil
	case 0:
		return nil, nil, &Unknown{"model", model, "is not known" + nearModel(model, names)}
	}
	return nil, nil, &Unknown{"model", model, "is one of " + strings.Join(found, ", ") + ": write which"}
}

// FindModel returns a model of the vendor. Its error names the nearest ones.
func (v *Vendor) FindModel(name string) (*phonefile.Model, error) {
	if m, ok := v.Model(name); ok {
		return m, nil
	}
	return nil, &Unknown{"model", name, "is not a model of " + v.ID + nearest(name, v.ModelNames(), "; plugtone vendor show "+v.ID+" has its models")}
}

// nearest returns the names that were probably meant, or all of them where they are few, as the end of a message; otherwise if there are neither.
func nearest(name string, names []string, otherwise string) string {
	if n := setting.Nearest(name, names); len(n) > 0 {
		return ", nearest are " + strings.Join(n, ", ")
	}
	if len(names) <= 40 {
		return ", known are " + strings.Join(names, ", ")
	}
	return otherwise
}

// nearModel is nearest for names VENDOR/MODEL; name is compared with the model alone.
func nearModel(name string, names []string) string {
	full := make(map[string]string)
	var short []string
	for _, n := range names {
		_, m, _ := strings.Cut(n, "/")
		full[m] = n
		short = append(short, m)
	}
	var out []string
	for _, n := range setting.Nearest(name, short) {
		out = append(out, full[n])
	}
	if len(out) == 0 {
		return ""
	}
	return ", nearest are " + strings.Join(out, ", ")
}
