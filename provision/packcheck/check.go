package packcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plugtone/provision/pack"
	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/yamlpos"
)

// CheckResult is what checking one pack gave.
type CheckResult struct {
	Vendor   string   `json:"vendor"`
	Dir      string   `json:"dir"`
	Extends  string   `json:"extends,omitempty"`
	Models   int      `json:"models"`
	Phones   int      `json:"phones"`   // sample phones
	Rendered int      `json:"rendered"` // files made for them, each read back
	Goldens  int      `json:"goldens"`
	Rows     int      `json:"recognised"`      // rows of testdata/recognise.csv
	Wrote    []string `json:"wrote,omitempty"` // goldens that were rewritten or made
	Notes    []string `json:"notes,omitempty"` // remarks that are not errors
}

// Check checks a pack, or a folder of packs, as a daemon with c would take it, and more: every file of every model is
// rendered for sample phones and parsed again, every file pattern is requested, the goldens run, every row of
// testdata/recognise.csv must be recognised, and all that is accepted must make a difference. With rewrite set, goldens that differ are passed to it, and a pack without
// any is given its first ones. The error joins every validation error, each with file and line where it has one.
func Check(c pack.Config, dir string, rewrite func(path string, data []byte) error) ([]CheckResult, error) {
	dirs, err := pack.Dirs(dir)
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("%s: neither a pack (it has no vendor.yaml) nor a folder of packs", dir)
	}
	c.Dirs = append(slices.Clone(c.Dirs), dir)
	var heads []*packdoc.Folder
	for _, d := range dirs {
		f, err := packdoc.Read(os.DirFS(d), d)
		if err != nil {
			return nil, err
		}
		heads = append(heads, f)
		c.Checked = append(c.Checked, f.ID)
	}
	s, err := Load(c)
	if err != nil {
		return nil, err
	}
	var out []CheckResult
	var errs []error
	for _, f := range heads {
		v, ok := s.Vendor(f.ID)
		if !ok {
			continue // Load has reported the error
		}
		t := checker{set: s, vendor: v, head: f, rewrite: rewrite, out: CheckResult{Vendor: v.ID, Dir: f.Name, Extends: f.Base, Models: len(v.Models())}}
		errs = append(errs, t.names()...)
		errs = append(errs, t.goldens()...)
		errs = append(errs, t.recognitions()...)
		errs = append(errs, CheckCarried(v))
		out = append(out, t.out)
	}
	return out, errors.Join(errs...)
}

// checker checks one pack.
type checker struct {
	set     *pack.Set
	vendor  *pack.Vendor
	head    *packdoc.Folder // the folder itself, without what it extends
	rewrite func(string, []byte) error
	out     CheckResult
}

// names requests every file of every sample phone by the name that the phone would use. That they can be rendered has
// been found when the pack was loaded; here each name must resolve to its file, also when all other vendors are loaded.
func (t *checker) names() []error {
	var errs []error
	v := t.vendor
	asked := make(map[string]bool)
	for _, m := range v.Models() {
		for i, s := range Samples(v, m) {
			t.out.Phones++
			for _, n := range v.Files(s.Phone) {
				asked[n.File.Name] = true
				if n.File.Rendered() {
					t.out.Rendered++
				}
				if i == 0 && !t.resolvesBack(n, m) {
					errs = append(errs, fmt.Errorf("%s: model %s requests %s (%s), which is taken for another of the pack's files", t.file("vendor.yaml"), m.Name, n.Name, n.File.Name))
				}
			}
		}
	}
	for _, f := range v.Declared() {
		if !asked[f.Name] && !openEnded(f.Name) {
			t.out.Notes = append(t.out.Notes, "no model requests "+f.Name)
		}
	}
	return errs
}

// openEnded reports whether a pattern matches any number of names, so that no phone's own name can be made of it.
func openEnded(pattern string) bool {
	return strings.Contains(pattern, "{any}") || strings.Contains(pattern, "{path}")
}

func (t *checker) resolvesBack(n phonefile.FileName, m *phonefile.Model) bool {
	match, ok := t.vendor.Resolve(n.Name)
	return ok && match.Kind == n.File.Kind && (match.Models == nil || slices.Contains(match.Models, m.Name))
}

func (t *checker) file(name string) string { return filepath.ToSlash(filepath.Join(t.head.Name, name)) }

// own are the patterns that the folder itself declares; what it extends has been tried where it comes from.
func (t *checker) own() []string {
	var out []string
	for _, n := range yamlpos.Items(yamlpos.Member(t.head.Node, "files")) {
		out = append(out, packdoc.Scalar(n, "name"))
	}
	return out
}

func (t *checker) goldens() []error {
	names, err := fs.Glob(t.head.FS, "testdata/*.txtar")
	if err != nil {
		return []error{err}
	}
	keep := func(name string, data []byte) error {
		t.out.Wrote = append(t.out.Wrote, t.file(name))
		return t.rewrite(filepath.Join(t.head.Name, name), data)
	}
	if len(names) == 0 {
		if t.rewrite == nil {
			t.out.Notes = append(t.out.Notes, "there are no goldens in testdata; --update writes the first ones")
			return nil
		}
		return t.first(keep)
	}
	t.out.Goldens = len(names)
	var rewrite func(string, []byte) error
	if t.rewrite != nil {
		rewrite = keep
	}
	if err := Goldens(t.vendor, t.head.FS, rewrite, t.head.Name, t.own()); err != nil {
		return []error{err}
	}
	return nil
}

// first makes goldens that together request every file: one for each model that requests another file.
func (t *checker) first(keep func(string, []byte) error) []error {
	left := make(map[string]bool)
	for _, name := range t.own() {
		left[name] = true
	}
	var errs []error
	for i, m := range t.vendor.Models() {
		useful := i == 0
		for _, f := range t.vendor.FilesOf(m) {
			useful = useful || left[f.Name]
		}
		if !useful {
			continue
		}
		var ask []string
		for _, f := range t.vendor.FilesOf(m) {
			if left[f.Name] && openEnded(f.Name) {
				ask = append(ask, fmt.Sprintf("%q", exampleName(f.Name)))
			}
			delete(left, f.Name)
		}
		text := fmt.Sprintf("-- phone.yaml --\nmodel: %q\nlabel: Front Desk\nlines: [{number: \"1001\", display_name: Front Desk, password: s3cret}]\nsettings: {time_zone: Europe/Berlin}\n", m.Name)
		if _, ok := t.vendor.HasPhonebook(m.Name); ok {
			text = strings.Replace(text, "Europe/Berlin}", "Europe/Berlin, phonebook: all}", 1)
		}
		if len(ask) > 0 {
			text += "ask: [" + strings.Join(ask, ", ") + "]\n"
		}
		whole, _, err := runGolden(t.vendor, []byte(text))
		if err == nil {
			err = keep("testdata/"+phonefile.Fold(strings.ReplaceAll(m.Name, "/", ""))+".txtar", whole)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: first golden of model %s: %w", t.head.Name, m.Name, err))
		}
		t.out.Goldens++
	}
	return errs
}

// exampleName fills in a pattern that matches any name.
func exampleName(pattern string) string {
	return strings.NewReplacer("{any}", "example", "{path}", "example", "{mac}", "001565123456", "{MAC}", "001565123456", "{mac_dash}", "00-15-65-12-34-56", "{mac_underscore}", "00_15_65_12_34_56").Replace(pattern)
}

func (t *checker) recognitions() []error {
	if _, err := fs.Stat(t.head.FS, "testdata/recognise.csv"); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	rows, err := Recognitions(t.head.FS)
	if err != nil {
		return []error{fmt.Errorf("%s/%w", t.head.Name, err)}
	}
	var errs []error
	for i, r := range rows {
		if err := Recognise(t.set, t.vendor.ID, r); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", t.file("testdata/recognise.csv"), i+2, err))
		}
	}
	t.out.Rows = len(rows)
	return errs
}
