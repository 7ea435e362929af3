// Package packdoc reads the files of a vendor pack: vendor.yaml as Go types, and the texts of the templates beside it. A
// pack may extend another.
//
// It checks that the document has the right shape, not what the document means: that is for package pack.
package packdoc

import (
	"go.yaml.in/yaml/v4"

	"plugtone/provision/render"
	"plugtone/provision/yamlpos"
)

// Document is vendor.yaml as it is written. provision/vendors/README.md explains every member.
type Document struct {
	Vendor       string                      `yaml:"vendor"`
	Name         string                      `yaml:"name"`
	Extends      string                      `yaml:"extends"`
	Aliases      []string                    `yaml:"aliases"`
	Experimental bool                        `yaml:"experimental"`
	Sources      map[string]string           `yaml:"sources"`
	Facts        []Fact                      `yaml:"facts"`
	Recognise    Recognise                   `yaml:"recognise"`
	Quirks       Quirks                      `yaml:"quirks"`
	DHCP         []Option                    `yaml:"dhcp"`
	Variables    map[string]string           `yaml:"variables"`
	Areas        []string                    `yaml:"areas"`
	Families     map[string]Model            `yaml:"families"`
	Models       map[string]Model            `yaml:"models"`
	Unknown      string                      `yaml:"unknown_model"`
	FillLines    *bool                       `yaml:"fill_lines"`
	KeysLocked   bool                        `yaml:"keys_locked"`
	DomainAsHost bool                        `yaml:"domain_as_host"`
	Formats      map[string]*render.Format   `yaml:"formats"`
	Files        []File                      `yaml:"files"`
	Challenge    string                      `yaml:"challenge"`
	KeyTypes     map[string]*KeyType         `yaml:"key_types"`
	Maps         map[string]map[string]Value `yaml:"maps"`
	Settings     map[string]Settings         `yaml:"settings"`
	Lacks        Lacks                       `yaml:"lacks"`
	Resync       Resyncs                     `yaml:"resync"`
	Boot         []Boot                      `yaml:"boot"`
}

// Basis is what an entry states about itself: where it comes from and how sure it is.
type Basis struct {
	Source     string `yaml:"source"`
	Confidence string `yaml:"confidence"`
	Note       string `yaml:"note"`
}

// Fact is one statement about the vendor's phones.
type Fact struct {
	What       string `yaml:"what"`
	Source     string `yaml:"source"`
	Confidence string `yaml:"confidence"`
	Pos        yamlpos.Pos
}

// Recognise lists the matchers of each kind of evidence.
type Recognise struct {
	Option60  []Matcher `yaml:"option60"`
	UserAgent []Matcher `yaml:"user_agent"`
	Hostname  []Matcher `yaml:"hostname"`
	FileName  []Matcher `yaml:"filename"`
	Option43  []Matcher `yaml:"option43"`
	Option55  []Matcher `yaml:"option55"`
	Option77  []Matcher `yaml:"option77"`
	Option124 []Matcher `yaml:"option124"`
	Option125 []Matcher `yaml:"option125"`
	OUI       []Matcher `yaml:"oui"`
}

// Matcher is a regular expression or, under oui, a prefix; written alone or as {match, source, confidence, ...}.
type Matcher struct {
	Match string `yaml:"match"`
	Model string `yaml:"model"`
	Basis `yaml:",inline"`
	Pos   yamlpos.Pos
}

// DecodeYAML reads a matcher.
func (m *Matcher) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	scalarOrFields(r, n, path, &m.Match, m)
	m.Pos = yamlpos.At(n)
}

// scalarOrFields reads what may be written as its most important member alone.
func scalarOrFields(r *yamlpos.Reader, n *yaml.Node, path string, alone *string, fields any) {
	if n.Kind == yaml.ScalarNode {
		*alone = n.Value
		return
	}
	r.DecodeFields(n, path, fields)
}

// Quirks are a vendor's demands on DHCP replies.
type Quirks struct {
	NULTerminate   bool `yaml:"nul_terminate"`     // text options end in NUL
	NoClientIDEcho bool `yaml:"no_client_id_echo"` // rejects an echoed option 61
}

// Option is one DHCP option of the vendor's phones.
type Option struct {
	Option      int `yaml:"option"`
	OptionValue `yaml:",inline"`
	TLV         []SubOption `yaml:"tlv"`
	End         bool        `yaml:"end"`
	Enterprise  int         `yaml:"enterprise"`
	Force       bool        `yaml:"force"`
	When        Words       `yaml:"when"`
	For         Words       `yaml:"for"`
	Basis       `yaml:",inline"`
	Pos         yamlpos.Pos
}

// SubOption is one code within an option.
type SubOption struct {
	Code        int `yaml:"code"`
	OptionValue `yaml:",inline"`
	When        Words `yaml:"when"`
}

// OptionValue is the value of an option in one of its forms; the others are nil.
type OptionValue struct {
	Text *string  `yaml:"text"`
	IPs  []string `yaml:"ips"`
	Hex  *string  `yaml:"hex"`
	U8   *string  `yaml:"u8"`
	U16  *string  `yaml:"u16"`
	U32  *string  `yaml:"u32"`
	NUL  bool     `yaml:"nul"` // the text ends in NUL
}

// Expansion states which expansion modules a model takes.
type Expansion struct {
	Name    string `yaml:"name"`
	Modules int    `yaml:"modules"`
	Keys    int    `yaml:"keys"` // keys of one module
}

// Model is a family or a model. Members that are the pack's own variables are collected in Vars.
type Model struct {
	Family    string              `yaml:"family"`
	Aliases   []string            `yaml:"aliases"`
	Lines     *int                `yaml:"lines"`
	Keys      map[string]int      `yaml:"keys"`
	Expansion *Expansion          `yaml:"expansion"`
	KeyTypes  map[string]*KeyType `yaml:"key_types"`
	Counts    string              `yaml:"counts"` // how certain the numbers of lines, keys and modules are
	Basis     `yaml:",inline"`
	Vars      map[string]string
	Pos       yamlpos.Pos
}

// DecodeYAML reads a model. Whether the pack has the variables is checked when all of them are known.
func (m *Model) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	m.Vars = r.DecodeFieldsAnd(n, path, m)
}

// File is one file that phones fetch or upload.
type File struct {
	Name       string     `yaml:"name"`
	Also       []string   `yaml:"also"`
	Kind       string     `yaml:"kind"`
	Template   string     `yaml:"template"`
	Format     string     `yaml:"format"`
	MediaType  string     `yaml:"media_type"`
	Max        string     `yaml:"max"`
	Missing    string     `yaml:"missing"`
	Challenge  string     `yaml:"challenge"`
	Settings   *bool      `yaml:"settings"`
	Of         string     `yaml:"of"`     // checksum: the file that it is the checksum of
	Digest     string     `yaml:"digest"` // checksum: md5 (default), sha1, sha256
	When       string     `yaml:"when"`
	MaxNumbers int        `yaml:"most"`
	Overrides  *Overrides `yaml:"overrides"` // upload: it has what the phone's user changed on the phone
	For        Words      `yaml:"for"`
	Basis      `yaml:",inline"`
	Pos        yamlpos.Pos
}

// Overrides is how an uploaded file lists what was changed on the phone.
type Overrides struct {
	Format string `yaml:"format"`
	Secret Words  `yaml:"secret"`
}

// KeyType is one key type: its code alone, or {code, text, areas, ...}.
type KeyType struct {
	Code   string            `yaml:"code"`
	Text   string            `yaml:"text"`
	Areas  []string          `yaml:"areas"`   // only there
	ByArea map[string]string `yaml:"by_area"` // other codes
	Needs  Words             `yaml:"needs"`   // value, label
	Refuse string            `yaml:"refuse"`  // characters that value and label can't have
	Basis  `yaml:",inline"`
	Pos    yamlpos.Pos
}

// DecodeYAML reads a key type.
func (k *KeyType) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	scalarOrFields(r, n, path, &k.Code, k)
	k.Pos = yamlpos.At(n)
}

// Settings is what a setting becomes: a parameter's name, {param ...}, or a list of those.
type Settings []Setting

// Setting is one parameter, or several, that a setting becomes.
type Setting struct {
	Param  string           `yaml:"param"`
	Params []string         `yaml:"params"`
	Values Values           `yaml:"values"`
	Unit   string           `yaml:"unit"`
	Join   string           `yaml:"join"`
	Each   string           `yaml:"each"` // a list, one parameter for each item: item, key or value is what is printed of it
	Keys   Values           `yaml:"keys"` // with each: {key} in the parameter's name is this word for what precedes =
	Text   string           `yaml:"text"`
	For    Words            `yaml:"for"`
	Also   map[string]Value `yaml:"also"`
	Basis  `yaml:",inline"`
	Pos    yamlpos.Pos
}

// DecodeYAML reads the settings of one name.
func (s *Settings) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	eachOrOne(r, n, path, func(n *yaml.Node, path string) {
		var one Setting
		scalarOrFields(r, n, path, &one.Param, &one)
		one.Pos = yamlpos.At(n)
		*s = append(*s, one)
	})
}

// eachOrOne calls f for each item of a list, or for what is written without brackets.
func eachOrOne(r *yamlpos.Reader, n *yaml.Node, path string, f func(n *yaml.Node, path string)) {
	if n.Kind == yaml.SequenceNode {
		r.List(n, path, f)
		return
	}
	f(n, path)
}

// Values is a map of values, or the name of one under maps.
type Values struct {
	Name string
	Map  map[string]Value
}

// DecodeYAML reads values.
func (v *Values) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		v.Name = n.Value
		return
	}
	r.Decode(n, path, &v.Map)
}

// Value is a scalar of any YAML type, as it is written: yes, 1 and "1" are text to a phone.
type Value string

// Words is a list, or one word without brackets.
type Words []string

// DecodeYAML reads words.
func (w *Words) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	eachOrOne(r, n, path, func(n *yaml.Node, path string) {
		if s, ok := r.Scalar(n, path); ok {
			*w = append(*w, s)
		}
	})
}

// Resyncs is one way to notify phones that they are to fetch again, or several with the models and firmware of each.
type Resyncs []Resync

// Resync is one way to notify phones that they are to fetch again.
type Resync struct {
	Notify   `yaml:",inline"`
	For      Words  `yaml:"for"`
	Firmware string `yaml:"firmware"` // regular expression; "" for any
	Basis    `yaml:",inline"`
	Pos      yamlpos.Pos
}

// DecodeYAML reads the ways of a vendor.
func (d *Resyncs) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	eachOrOne(r, n, path, func(n *yaml.Node, path string) {
		var one Resync
		r.DecodeFields(n, path, &one)
		*d = append(*d, one)
	})
}

// Notify is the SIP NOTIFY upon which a phone fetches its configuration again.
type Notify struct {
	Event       string `yaml:"event"`
	Plain       string `yaml:"plain"`  // parameter after the event: reboot=false
	Reboot      string `yaml:"reboot"` // the same when it shall reboot
	RebootEvent string `yaml:"reboot_event"`
	ContentType string `yaml:"content_type"`
	Body        string `yaml:"body"`
	RebootBody  string `yaml:"reboot_body"`
	Port        int    `yaml:"port"`       // on which the phone listens for SIP, unless set otherwise; 0: 5060, 5061 with TLS
	Challenges  bool   `yaml:"challenges"` // the phone answers with a digest challenge
}

// Boot is how phones of some models present themselves when they boot.
type Boot struct {
	Option60  string `yaml:"option60"`
	Hostname  string `yaml:"hostname"`
	Params    []int  `yaml:"params"`
	Server    []int  `yaml:"server"`
	UserAgent string `yaml:"user_agent"`
	For       Words  `yaml:"for"`
	Basis     `yaml:",inline"`
	Pos       yamlpos.Pos
}
