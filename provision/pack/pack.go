// Package pack loads vendor packs: everything that plugtone has about one vendor, as data. It recognises phones, and
// returns the DHCP options that a vendor's phones need and how they are notified. The files of phones are rendered by
// package phonefile, and packs are checked by package packcheck.
//
// It has no records, leases or trust, and no vendor: what makes a vendor is in provision/vendors.
package pack

import (
	"io/fs"
	"path"

	"plugtone/dhcp"
	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/yamlpos"
)

// Set is all packs that are in force. It is immutable; a reload makes a new one.
type Set struct {
	vendors  []*Vendor // sorted by ID
	byName   map[string]*Vendor
	matchers map[string][]matcher // by kind, all but oui
	ouis     map[string][]matcher // by their first ouiDigits
}

// Config lists where packs come from.
type Config struct {
	Builtin      fs.FS    // one folder per vendor
	Dirs         []string // operators' folders of packs: replace or extend the built-in ones, later ones win
	Experimental []string // experimental packs that may recognise phones
	Checked      []string // packs that may recognise phones even if experimental, because they are being checked

	Check        func(*Vendor) error // called for packs of Dirs; its error is one of the pack. See packcheck.Load
	CheckBuiltin bool                // also call it for the built-in packs; their tests have done so already
}

// Vendor is one pack: what it recognises, which DHCP options its phones need, and, in its Renderer, what its models can do
// and the files of its phones.
type Vendor struct {
	ID           string
	Name         string
	Aliases      []string
	Experimental bool // based on unconfirmed facts
	Recognises   bool // false: experimental and not named in the configuration
	Dir          string

	*phonefile.Renderer
	doc      *packdoc.Document
	origin   map[string]string // template name to its folder
	matchers []matcher
	resync   []resyncRule
	facts    []Fact
}

// Evidence is everything known about a phone by which packs recognise it. Zero values mean "not known".
type Evidence struct {
	MAC         dhcp.MAC
	VendorClass string // DHCP option 60
	UserClass   string // 77
	Hostname    string // 12
	VIVC        string // 124
	VendorInfo  string // 43
	VIVSO       string // 125
	Params      []uint8
	UserAgent   string
	FileName    string // as requested
}

// Rank orders evidence: the higher, the more it counts.
type Rank int

// Ranks of evidence.
const (
	RankOUI       Rank = iota + 1 // vendor of the network chip
	RankParams                    // option 55
	RankFileName                  // a name that several vendors may share
	RankHostname                  // option 12
	RankClass                     // options 43, 77, 124, 125
	RankOption60                  // option 60
	RankUserAgent                 // HTTP user agent
)

// Clue is one piece of evidence that a pack understood.
type Clue struct {
	Rank       Rank
	Kind       string // oui, option55, filename, hostname, option43, option77, option124, option125, option60, user_agent
	Value      string // what was matched, control characters escaped
	Vendor     string
	Model      string // as the pack spells it; as the phone sent it when the pack does not have it
	Known      bool   // whether Model is a model of the pack
	Firmware   string
	MAC        dhcp.MAC
	Confidence string
}

// Identity is what a phone was recognised as. The zero value means that no pack recognised it.
type Identity struct {
	Vendor        string
	Model         string // "" unless it is a model of the pack
	ReportedModel string // the model as the phone sent it, also when the pack does not have it
	Firmware      string
	MAC           dhcp.MAC // read from the evidence itself
	Rank          Rank     // of the best clue
	Reason        string   // recognised as yealink by option60 "yealink"
	Clues         []Clue   // best first
	Conflicts     []Clue   // clues that contradict the identity
}

// Fact is one statement of a pack with where it comes from.
type Fact struct {
	What       string `json:"what" doc:"the statement" example:"models before firmware 80 ignore option 43"`
	Source     string `json:"source,omitempty" doc:"document or measurement that it comes from" example:"Auto Provisioning Guide V86, page 12"`
	Confidence string `json:"confidence" doc:"how certain it is" example:"high" enum:"high,medium,low"`
}

// Options is the outcome of the vendor's DHCP options for one site.
type Options struct {
	List   []dhcp.Option
	Quirks packdoc.Quirks
}

// Document returns the pack as it is written.
func (v *Vendor) Document() *packdoc.Document { return v.doc }

// Place returns the text of an error about one of the pack's files, with file and line before it: of the template where that is known, else of
// vendor.yaml. f is nil for an error about the pack itself.
func (v *Vendor) Place(f *phonefile.File, err error) string {
	file := path.Join(v.Dir, "vendor.yaml")
	if f == nil {
		return file + ": " + err.Error()
	}
	if placed, ok := packdoc.Place(v.origin, err); ok {
		return placed
	}
	e := yamlpos.Errorf(f.Pos, "file %s: %v", f.Name, err)
	e.File = file
	return e.Error()
}
