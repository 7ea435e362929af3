package store

import (
	"fmt"
	"io"
	"path/filepath"

	"plugtone/store/dbfile"
	"plugtone/store/leases"
	"plugtone/store/wal"
)

// Check checks the files of a data directory that no daemon uses, and changes nothing. checkCommand is as in Config.
func Check(dir string, checkCommand []string) []dbfile.Report {
	var reports []dbfile.Report
	for _, spec := range specs() {
		reports = append(reports, dbfile.CheckFile(filepath.Join(dir, spec.Name), spec, checkCommand))
	}
	batches, damage, err := wal.Check(filepath.Join(dir, leases.LogName))
	r := dbfile.Report{File: leases.LogName, Records: batches, Pages: damage}
	if err != nil {
		r.Problem = err.Error()
	}
	r.Sound = err == nil && len(damage) == 0
	return append(reports, r)
}

// CheckInherited checks the file that descriptor 3 has open and writes a report to w: it is what Config.CheckCommand runs.
func CheckInherited(w io.Writer, name string) (sound bool, err error) {
	for _, spec := range specs() {
		if spec.Name == name {
			return dbfile.CheckInherited(w, name, spec.Schema)
		}
	}
	return false, fmt.Errorf("%q is not a file of the store", name)
}
