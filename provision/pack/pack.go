// Package pack reads vendor packs: everything plugtone knows of one vendor, as data. It recognises phones, tells which
// DHCP options and files they want, and renders those files. It knows no records, leases or trust, and no vendor:
// what makes a vendor is in provision/vendors.
package pack

import (
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v4"

	"plugtone/dhcp"
	"plugtone/provision/render"
)

// Set is all packs that are in force. It never changes; a reload makes a new one.
type Set struct {
	vendors  []*Vendor // sorted by ID
	byName   map[string]*Vendor
	matchers map[string][]matcher // by kind, all but oui
	ouis     map[string][]matcher // by their first ouiDigits
}

// Config says where packs come from.
type Config struct {
	Builtin      fs.FS    // one folder per vendor
	Dirs         []string // operators' folders of packs: replace or extend the built-in ones, later ones win
	Experimental []string // experimental packs that may recognise phones
	checking     []string // packs under trial, which recognise phones whatever they are
	CheckBuiltin bool     // also render the built-in packs against sample phones; their tests have done so already
}

// Vendor is one pack.
type Vendor struct {
	ID           string
	Name         string
	Aliases      []string
	Experimental bool // rests on unconfirmed facts
	Recognises   bool // false: experimental and not named in the configuration
	Dir          string

	doc                *document
	models             []*Model
	byModel            map[string]*Model
	files              []*File
	templates          map[string]*render.Template
	source             map[string]string // template name to text
	origin             map[string]string // template name to its folder
	node               *yaml.Node        // vendor.yaml, while it is being understood
	keySnippets        map[*keyDoc]*snippet
	settingSnippets    map[*settingDoc]*snippet
	zones              *zoneCache
	settingResults     sync.Map // [3]string{model, setting, value} to the error of CheckSetting, or to false
	settingResultCount atomic.Int64
	facts              []Fact
	errs               []error // found while reading notes
	matchers           []matcher
	generic            *Model
}

// Model is one model of a vendor, all that it inherits filled in.
type Model struct {
	Name      string
	Aliases   []string
	Families  []string // nearest first
	Lines     int
	Keys      map[string]int // area to number of keys, without expansion modules
	Expansion Expansion
	Vars      map[string]string
	Note      string
	types     map[string]*keyDoc
	synthetic bool                         // made for one phone
	minimum   minimum                      // of the model that stands for any: what every model has
	empty     func() map[string][]*keyView // every slot of every area with nothing set; shared by all phones
}

// Expansion says which expansion modules a model takes.
type Expansion struct {
	Name    string `yaml:"name"`
	Modules int    `yaml:"modules"`
	Keys    int    `yaml:"keys"` // keys of one module
}

// Kind says what a file is and so who may have it.
type Kind string

// The kinds of files.
const (
	KindDevice   Kind = "device"   // may hold secrets; only on proof
	KindPrivate  Kind = "private"  // any proven phone
	KindCommon   Kind = "common"   // can't hold secrets
	KindFirmware Kind = "firmware" // what a phone would install on sight
	KindStatic   Kind = "static"   // from the files folder
	KindNone     Kind = "none"     // asked for in vain by design
	KindUpload   Kind = "upload"   // written by the phone

	// kindChecksum stands in packs only: such a file has the kind of the file that it is the checksum of.
	kindChecksum Kind = "checksum"
)

// File is one file that phones of a vendor ask for.
type File struct {
	Name              string   // pattern as written in the pack: {mac}.cfg; names the file within the pack
	Also              []string // other spellings of the same file
	Kind              Kind
	Template          string // "" when nothing is rendered
	Format            string
	MediaType         string
	Max               int64  // upload: largest accepted size
	Missing           string // what it means to the phone when there is no such file
	Challenge         string // HTTP challenge that phones answer for it: digest, basic, none
	Settings          bool   // settings and vendor settings go here
	For               []string
	Note              string
	patterns          []pattern
	Of                string // of a checksum: the pattern of the file that it is the checksum of
	MaxNumbers        int    // largest number of contacts' numbers in it; 0 when it is no phonebook
	PhonebookFile     *File  // of an upload: what the phone gets under this name instead while its phonebook is on
	OnlyWithPhonebook bool   // asked for only by phones whose phonebook is on; other phones ask for it in vain
	digest            string // of a checksum: md5, sha1 or sha256
	line              int    // in vendor.yaml
	fixed             bool   // Settings was said in the pack
	compiled          *render.Template
	pool              *templatePool
	settings          []string // settings that the template prints itself
}

// Match is one reading of a file name.
type Match struct {
	Vendor string
	Kind   Kind
	File   *File
	Name   string            // cleaned: no leading slash, no backslash, no doubled slashes
	MAC    dhcp.MAC          // zero when the name has none
	Model  string            // "" when the name tells none or more than one
	Models []string          // all models the name may belong to; nil: any
	Vars   map[string]string // what the pattern's variables matched
}

// Evidence is everything known of a phone that may tell what it is. Zero values mean "not known".
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
	FileName    string // as asked for
}

// Rank orders evidence: the higher, the more it counts.
type Rank int

// Ranks of evidence.
const (
	RankNone      Rank = iota
	RankOUI            // who made the network chip
	RankParams         // option 55
	RankFileName       // a name that several vendors may share
	RankHostname       // option 12
	RankClass          // options 43, 77, 124, 125
	RankOption60       // option 60
	RankUserAgent      // HTTP user agent
)

// Clue is one piece of evidence that a pack understood.
type Clue struct {
	Rank       Rank
	Kind       string // oui, option55, filename, hostname, option43, option77, option124, option125, option60, user_agent
	Value      string // what was matched, control characters escaped
	Vendor     string
	Model      string // as the pack spells it; as the phone says it when the pack doesn't know it
	Known      bool   // Model is a model of the pack
	Firmware   string
	MAC        dhcp.MAC
	Confidence string
}

// Identity is what a phone is held to be. The zero value means that no pack recognised it.
type Identity struct {
	Vendor        string
	Model         string // "" unless it is a model of the pack
	ReportedModel string // the model as the phone said it, also when the pack does not know it
	Firmware      string
	MAC           dhcp.MAC // told by the evidence itself
	Rank          Rank     // of the best clue
	Reason        string   // recognised as yealink by option60 "yealink"
	Clues         []Clue   // best first
	Conflicts     []Clue   // clues that contradict the identity
}

// FileName is one file that a phone asks for, as it asks.
type FileName struct {
	Name string // with the phone's MAC and variables filled in
	File *File
}

// Resync says how a phone is told by SIP NOTIFY to fetch its configuration again.
type Resync struct {
	Event       string `yaml:"event"`
	Plain       string `yaml:"plain"`  // parameter after the event: reboot=false
	Reboot      string `yaml:"reboot"` // the same when it shall reboot
	RebootEvent string `yaml:"reboot_event"`
	ContentType string `yaml:"content_type"`
	Body        string `yaml:"body"`
	RebootBody  string `yaml:"reboot_body"`
	Challenges  bool   `yaml:"challenges"` // the phone answers with a digest challenge
}

// Quirks are a vendor's demands on DHCP replies.
type Quirks struct {
	NULTerminate   bool `yaml:"nul_terminate"`     // text options end in NUL
	NoClientIDEcho bool `yaml:"no_client_id_echo"` // rejects an echoed option 61
}

// Fact is one statement of a pack with where it comes from.
type Fact struct {
	What       string `json:"what"`
	Source     string `json:"source,omitempty"`
	Confidence string `json:"confidence"` // high, medium or low
}

// Options is the outcome of the vendor's DHCP options for one site.
type Options struct {
	List   []dhcp.Option
	Quirks Quirks
}

// Description is what `vendor show` prints of a pack.
type Description struct {
	Vendor       string             `json:"vendor"`
	Name         string             `json:"name"`
	Aliases      []string           `json:"aliases,omitempty"`
	Experimental bool               `json:"experimental"`
	Recognises   bool               `json:"recognises"`
	Dir          string             `json:"dir,omitempty"`
	Models       []ModelDescription `json:"models"`
	KeyTypes     []string           `json:"key_types"`
	Settings     []string           `json:"settings"`
	Files        []FileDescription  `json:"files"`
	DHCP         []string           `json:"dhcp"`
	Recognise    []string           `json:"recognise"`
	Resync       string             `json:"resync,omitempty"`
	Unconfirmed  []Fact             `json:"unconfirmed,omitempty"` // not confirmed on a phone
	Sources      []Fact             `json:"sources,omitempty"`
}

// ModelDescription is one model in a Description.
type ModelDescription struct {
	Model     string         `json:"model"`
	Aliases   []string       `json:"aliases,omitempty"`
	Lines     int            `json:"lines"`
	Keys      map[string]int `json:"keys,omitempty"`
	Expansion string         `json:"expansion,omitempty"`
	Note      string         `json:"note,omitempty"`

	LacksKeyTypes []string `json:"lacks_key_types,omitempty"` // of those that some model of the vendor has
	LacksSettings []string `json:"lacks_settings,omitempty"`
}

// FileDescription is one file in a Description, in the order asked for.
type FileDescription struct {
	Name      string `json:"name"`
	Kind      Kind   `json:"kind"`
	Models    string `json:"models,omitempty"`
	Missing   string `json:"missing,omitempty"`
	Challenge string `json:"challenge,omitempty"`
	Note      string `json:"note,omitempty"`
}

// referenceTime stands for "now" where a sample phone needs a time.
func referenceTime() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
