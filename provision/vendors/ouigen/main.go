// Command ouigen writes oui.csv, the MAC prefixes of those who make phones, from the IEEE's lists as Debian packages them
// (ieee-data); makers.csv maps their organisations to vendors. It is run by go generate in the folder above.
package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run("/usr/share/ieee-data", "."); err != nil {
		fmt.Fprintln(os.Stderr, "ouigen:", err)
		os.Exit(1)
	}
}

// maker is a row of makers.csv.
type maker struct {
	vendor       string
	organisation *regexp.Regexp
}

// run reads makers.csv in dir, and the lists in from, and writes oui.csv in dir.
func run(from, dir string) error {
	makers, err := readMakers(filepath.Join(dir, "makers.csv"))
	if err != nil {
		return err
	}
	date := ""
	found := make(map[string]string)
	for _, name := range []string{"oui.csv", "mam.csv", "oui36.csv"} {
		path := filepath.Join(from, name)
		st, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("%w (Debian package ieee-data)", err)
		}
		date = max(date, st.ModTime().UTC().Format("2006-01-02"))
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := collect(data, makers, found); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# MAC prefixes of makers of phones, by the IEEE's lists of %s (Debian's ieee-data); written by go generate\n", date)
	var lines []string
	for prefix, vendor := range found {
		lines = append(lines, prefix+","+vendor+"\n")
	}
	slices.Sort(lines)
	out.WriteString(strings.Join(lines, ""))
	return os.WriteFile(filepath.Join(dir, "oui.csv"), out.Bytes(), 0o644)
}

func readMakers(path string) ([]maker, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.FieldsPerRecord = '#', 2
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []maker
	for _, row := range rows[min(1, len(rows)):] {
		re, err := regexp.Compile("(?i)" + row[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, row[0], err)
		}
		out = append(out, maker{row[0], re})
	}
	return out, nil
}

// collect reads one of the lists: registry, assignment, organisation, address.
func collect(data []byte, makers []maker, found map[string]string) error {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return err
	}
	for _, m := range makers {
		for _, r := range rows[min(1, len(rows)):] {
			if len(r) > 2 && m.organisation.MatchString(strings.TrimSpace(r[2])) {
				found[strings.ToLower(r[1])] = m.vendor
			}
		}
	}
	return nil
}
