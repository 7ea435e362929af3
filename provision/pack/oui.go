package pack

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// readOUI reads oui.csv, which is in the folder of the built-in packs: MAC prefixes of phone vendors, from the IEEE's lists.
// It has the lowest rank: the prefixes in the packs come before it.
func readOUI(builtin fs.FS) ([][2]string, error) {
	if builtin == nil {
		return nil, nil
	}
	data, err := fs.ReadFile(builtin, "oui.csv")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(string(data)))
	r.Comment, r.FieldsPerRecord = '#', 2
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("oui.csv: %w", err)
	}
	var out [][2]string
	for i, row := range rows {
		if !ouiRE.MatchString(row[0]) {
			return nil, fmt.Errorf("oui.csv: row %d: %q must be a prefix of 6 to 11 hex digits", i+1, row[0])
		}
		out = append(out, [2]string{row[0], row[1]})
	}
	return out, nil
}

// addOUI adds matchers for the prefixes whose vendors have a pack.
func (s *Set) addOUI(rows [][2]string) {
	for _, r := range rows {
		if v := s.byName[r[1]]; v != nil && v.Recognises {
			s.addMatchers([]matcher{{vendor: v, kind: "oui", rank: RankOUI, prefix: r[0], shown: colons(r[0]), confidence: "medium"}})
		}
	}
}
