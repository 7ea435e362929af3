package packcheck

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/pack"
)

// Goldens runs every golden of the folder shown as dir and checks that together they request every pattern of must. With
// rewrite set, goldens that differ are handed to it instead of being problems. Its error joins every problem.
func Goldens(v *pack.Vendor, fsys fs.FS, rewrite func(name string, data []byte) error, dir string, must []string) error {
	names, err := fs.Glob(fsys, path.Join("testdata", "*.txtar"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: the pack has no goldens in testdata", dir)
	}
	var errs []error
	var asked []string
	unread := false
	for _, name := range names {
		file := path.Join(dir, name)
		have, err := fs.ReadFile(fsys, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		want, patterns, err := runGolden(v, have)
		asked = append(asked, patterns...)
		unread = unread || err != nil
		var problem *goldenError
		switch {
		case errors.As(err, &problem) && problem.line > 0:
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, problem.line, err))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		case bytes.Equal(have, want):
		case rewrite != nil:
			errs = append(errs, rewrite(name, want))
		default:
			errs = append(errs, fmt.Errorf("%s:%s", file, firstDifference(string(have), string(want))))
		}
	}
	left := slices.DeleteFunc(slices.Clone(must), func(name string) bool { return slices.Contains(asked, name) })
	if len(left) > 0 && !unread { // one that can't be read may be the one that requests it
		errs = append(errs, fmt.Errorf("%s: no golden requests %s%s", dir, strings.Join(left, ", "), phonebookHint(v, left)))
	}
	return errors.Join(errs...)
}

// phonebookHint returns how a golden requests a phonebook, when one is among the files that no golden requests.
func phonebookHint(v *pack.Vendor, left []string) string {
	for _, f := range v.Declared() {
		if f.MaxNumbers > 0 && slices.Contains(left, f.Name) {
			return "; phones request the phonebook " + f.Name + " while it is on: write phonebook: all under settings of one"
		}
	}
	return ""
}

// firstDifference returns the first line where a golden differs from what the pack gives.
func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		x, y := "the end", "the end"
		if i < len(a) {
			x = strconv.Quote(a[i])
		}
		if i < len(b) {
			y = strconv.Quote(b[i])
		}
		if x != y {
			return fmt.Sprintf("%d: the golden has %s, the pack gives %s", i+1, x, y)
		}
	}
	return ""
}
