package pack

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/yamlpos"
)

// Load reads and compiles all packs. Its error joins every problem, each with file and place. Packs of Dirs, and
// built-in ones that they extend, are also given to c.Check.
func Load(c Config) (*Set, error) {
	folders, errs := readBuiltin(c.Builtin)
	own := make(map[string]bool)
	for _, dir := range c.Dirs {
		errs = append(errs, readDir(dir, folders, own)...)
	}
	s := &Set{byName: make(map[string]*Vendor), matchers: make(map[string][]matcher), ouis: make(map[string][]matcher)}
	caches := phonefile.NewCaches()
	for _, id := range slices.Sorted(maps.Keys(folders)) {
		v, err := compile(folders[id], caches)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.Recognises = !v.Experimental || slices.Contains(c.Experimental, v.ID) || slices.Contains(c.Checked, v.ID)
		if c.Check != nil && (own[id] || c.CheckBuiltin) {
			errs = append(errs, c.Check(v))
		}
		s.vendors = append(s.vendors, v)
	}
	errs = append(errs, s.index(c, folders)...)
	prefixes, err := readOUI(c.Builtin)
	errs = append(errs, err)
	s.addOUI(prefixes)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// readBuiltin reads the packs that are compiled in.
func readBuiltin(builtin fs.FS) (map[string]*packdoc.Folder, []error) {
	folders := make(map[string]*packdoc.Folder)
	if builtin == nil {
		return folders, nil
	}
	entries, err := fs.ReadDir(builtin, ".")
	errs := []error{err}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub, err := fs.Sub(builtin, e.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f, err := packdoc.Read(sub, e.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if f.Base != "" {
			errs = append(errs, fmt.Errorf("%s/vendor.yaml: extends is for packs outside the program", e.Name()))
		}
		folders[f.ID] = f
		if f.ID != e.Name() {
			errs = append(errs, fmt.Errorf("%s/vendor.yaml: vendor %q is not the folder's name", e.Name(), f.ID))
		}
	}
	return folders, errs
}

// readDir adds the packs of one of the operator's folders; dir may also be a single pack.
func readDir(dir string, folders map[string]*packdoc.Folder, own map[string]bool) []error {
	dirs, err := Dirs(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []error{err}
	}
	var errs []error
	for _, d := range dirs {
		errs = append(errs, readOwn(d, folders, own)...)
	}
	return errs
}

// Dirs returns the folders of the packs in dir, which may also be one itself.
func Dirs(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, "vendor.yaml")); err == nil {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("vendor packs: %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// readOwn adds one pack of the operator, on top of the one that it extends.
func readOwn(dir string, folders map[string]*packdoc.Folder, own map[string]bool) []error {
	f, err := packdoc.Read(os.DirFS(dir), dir)
	if err != nil {
		return []error{err}
	}
	if f.ID == "" {
		_, err := f.Decode() // a misspelt member, or another error
		return []error{f.WithPlaces([]error{errors.New("vendor is missing")}), err}
	}
	if !vendorID.MatchString(f.ID) {
		return []error{f.WithPlaces([]error{yamlpos.Errorf(yamlpos.MemberPos(f.Node, "vendor"), "vendor %q is not made of lower case letters, digits and dashes", f.ID)})}
	}
	if f.Base != "" {
		base, ok := folders[f.Base]
		if !ok {
			return []error{f.WithPlaces([]error{yamlpos.Errorf(yamlpos.MemberPos(f.Node, "extends"), "extends %q must be one of %s", f.Base, strings.Join(slices.Sorted(maps.Keys(folders)), ", "))})}
		}
		f = f.Extend(base)
	}
	folders[f.ID] = f
	own[f.ID] = true
	return nil
}

// index fills the set's indexes, and reports names that two vendors claim.
func (s *Set) index(c Config, folders map[string]*packdoc.Folder) []error {
	var errs []error
	for _, v := range s.vendors {
		for _, name := range append([]string{v.ID}, v.Aliases...) {
			if other := s.byName[name]; other != nil && other != v {
				errs = append(errs, fmt.Errorf("%s: the name %s is also that of %s", path.Join(v.Dir, "vendor.yaml"), name, other.ID))
			}
			s.byName[name] = v
		}
		if v.Recognises {
			s.addMatchers(v.matchers)
		}
	}
	for _, id := range c.Experimental {
		if len(s.vendors) > 0 && s.byName[id] == nil && folders[id] == nil {
			errs = append(errs, fmt.Errorf("experimental_packs: there is no vendor %q", id))
		}
	}
	return errs
}
