package pack

import (
	"slices"
	"strings"
)

// mergeModels adds the models whose own entry under files has the same name, in whatever case: families may have one name for files of
// different formats, and which one a phone gets depends on its model.
func (v *Vendor) mergeModels(m Match) Match {
	for _, f := range v.files {
		if f == m.File || !strings.EqualFold(f.Name, m.File.Name) || len(m.Models) == 0 {
			continue
		}
		for _, p := range f.patterns {
			other, ok := v.match(f, p, m.Name)
			if !ok {
				continue
			}
			if m.Models = append(m.Models, other.Models...); len(other.Models) == 0 {
				m.Models = nil
			}
			slices.Sort(m.Models)
			m.Models = slices.Compact(m.Models)
			break
		}
	}
	if len(m.Models) != 1 {
		m.Model = ""
	}
	return m
}

// filesOf gives the files of a model; for a phone of unknown model all of them, those that belong to no family first.
func (v *Vendor) filesOf(m *Model) []*File {
	files := slices.Clone(v.files)
	if m != v.generic {
		return slices.DeleteFunc(files, func(f *File) bool { return !m.isAny(f.For) })
	}
	slices.SortStableFunc(files, func(a, b *File) int { return min(len(a.For), 1) - min(len(b.For), 1) })
	return files
}
