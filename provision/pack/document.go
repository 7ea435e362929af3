package pack

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/render"
)

// document is vendor.yaml as it is written. provision/vendors/README.md explains every member.
type document struct {
	Vendor       string                      `yaml:"vendor"`
	Name         string                      `yaml:"name"`
	Extends      string                      `yaml:"extends"`
	Aliases      []string                    `yaml:"aliases"`
	Experimental bool                        `yaml:"experimental"`
	Sources      map[string]string           `yaml:"sources"`
	Facts        []factDoc                   `yaml:"facts"`
	Recognise    recogniseDoc                `yaml:"recognise"`
	Quirks       Quirks                      `yaml:"quirks"`
	DHCP         []optionDoc                 `yaml:"dhcp"`
	Variables    map[string]string           `yaml:"variables"`
	Areas        []string                    `yaml:"areas"`
	Families     map[string]modelDoc         `yaml:"families"`
	Models       map[string]modelDoc         `yaml:"models"`
	Unknown      string                      `yaml:"unknown_model"`
	FillLines    *bool                       `yaml:"fill_lines"`
	Formats      map[string]*render.Format   `yaml:"formats"`
	Files        []fileDoc                   `yaml:"files"`
	Challenge    string                      `yaml:"challenge"`
	KeyTypes     map[string]*keyDoc          `yaml:"key_types"`
	Maps         map[string]map[string]value `yaml:"maps"`
	Settings     map[string]settingDocs      `yaml:"settings"`
	Resync       resyncDocs                  `yaml:"resync"`
	Boot         []bootDoc                   `yaml:"boot"`
}

type factDoc struct {
	What       string `yaml:"what"`
	Source     string `yaml:"source"`
	Confidence string `yaml:"confidence"`
}

type recogniseDoc struct {
	Option60  []matcherDoc `yaml:"option60"`
	UserAgent []matcherDoc `yaml:"user_agent"`
	Hostname  []matcherDoc `yaml:"hostname"`
	FileName  []matcherDoc `yaml:"filename"`
	Option43  []matcherDoc `yaml:"option43"`
	Option55  []matcherDoc `yaml:"option55"`
	Option77  []matcherDoc `yaml:"option77"`
	Option124 []matcherDoc `yaml:"option124"`
	Option125 []matcherDoc `yaml:"option125"`
	OUI       []matcherDoc `yaml:"oui"`
}

// matcherDoc is a regular expression or, under oui, a prefix; written alone or as {match, source, confidence, ...}.
type matcherDoc struct {
	Match      string `yaml:"match"`
	Model      string `yaml:"model"`
	Source     string `yaml:"source"`
	Confidence string `yaml:"confidence"`
	Note       string `yaml:"note"`
	line       int
}

func (c *matcherDoc) UnmarshalYAML(n *yaml.Node) error {
	type plain matcherDoc
	err := decodeShort(n, &c.Match, (*plain)(c), "match", "model", "source", "confidence", "note")
	c.line = n.Line
	return err
}

type optionDoc struct {
	Option     int       `yaml:"option"`
	Text       *string   `yaml:"text"`
	IPs        []string  `yaml:"ips"`
	Hex        *string   `yaml:"hex"`
	U8         *string   `yaml:"u8"`
	U16        *string   `yaml:"u16"`
	U32        *string   `yaml:"u32"`
	TLV        []tlvDoc  `yaml:"tlv"`
	End        bool      `yaml:"end"`
	NUL        bool      `yaml:"nul"`
	Enterprise int       `yaml:"enterprise"`
	Force      bool      `yaml:"force"`
	When       listOrOne `yaml:"when"`
	For        listOrOne `yaml:"for"`
	Source     string    `yaml:"source"`
	Confidence string    `yaml:"confidence"`
	Note       string    `yaml:"note"`
}

type tlvDoc struct {
	Code int       `yaml:"code"`
	Text *string   `yaml:"text"`
	IPs  []string  `yaml:"ips"`
	Hex  *string   `yaml:"hex"`
	U8   *string   `yaml:"u8"`
	U16  *string   `yaml:"u16"`
	U32  *string   `yaml:"u32"`
	NUL  bool      `yaml:"nul"`
	When listOrOne `yaml:"when"`
}

// modelDoc is a family or a model. Members that are the pack's own variables are collected in Vars.
type modelDoc struct {
	Family     string
	Aliases    []string
	Lines      *int
	Keys       map[string]int
	Expansion  *Expansion
	KeyTypes   map[string]*keyDoc
	Vars       map[string]string
	Note       string
	Source     string
	Confidence string
	line       int
}

func (m *modelDoc) UnmarshalYAML(n *yaml.Node) error {
	m.line = n.Line
	if n.Kind != yaml.MappingNode {
		return nodeError(n, "a model is a map such as {lines: 2}")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		var into any
		switch k.Value {
		case "family":
			into = &m.Family
		case "aliases":
			into = &m.Aliases
		case "lines":
			into = &m.Lines
		case "keys":
			into = &m.Keys
		case "expansion":
			into = &m.Expansion
		case "key_types":
			into = &m.KeyTypes
		case "note":
			into = &m.Note
		case "source":
			into = &m.Source
		case "confidence":
			into = &m.Confidence
		default:
			if v.Kind != yaml.ScalarNode {
				return nodeError(k, "unknown member %q", k.Value)
			}
			if m.Vars == nil {
				m.Vars = make(map[string]string)
			}
			m.Vars[k.Value] = v.Value
			continue
		}
		if err := v.Decode(into); err != nil {
			return err
		}
	}
	return nil
}

type fileDoc struct {
	Name       string    `yaml:"name"`
	Also       []string  `yaml:"also"`
	Kind       Kind      `yaml:"kind"`
	Template   string    `yaml:"template"`
	Format     string    `yaml:"format"`
	MediaType  string    `yaml:"media_type"`
	Max        string    `yaml:"max"`
	Missing    string    `yaml:"missing"`
	Challenge  string    `yaml:"challenge"`
	Settings   *bool     `yaml:"settings"`
	Of         string    `yaml:"of"`     // checksum: the file that it is the checksum of
	Digest     string    `yaml:"digest"` // checksum: md5 (default), sha1, sha256
	When       string    `yaml:"when"`
	Most       int       `yaml:"most"`
	For        listOrOne `yaml:"for"`
	Source     string    `yaml:"source"`
	Confidence string    `yaml:"confidence"`
	Note       string    `yaml:"note"`
	line       int
}

func (f *fileDoc) UnmarshalYAML(n *yaml.Node) error {
	type plain fileDoc
	err := decodeStrict(n, (*plain)(f), "name", "also", "kind", "template", "format", "media_type", "max", "missing", "challenge",
		"settings", "of", "digest", "when", "most", "for", "source", "confidence", "note")
	f.line = n.Line
	return err
}

// keyDoc is one key type: its code alone, or {code, text, areas, ...}.
type keyDoc struct {
	Code       string            `yaml:"code"`
	Text       string            `yaml:"text"`
	Areas      []string          `yaml:"areas"`   // only there
	By         map[string]string `yaml:"by_area"` // other codes
	Needs      listOrOne         `yaml:"needs"`   // value, label
	Refuse     string            `yaml:"refuse"`  // characters that value and label can't have
	Source     string            `yaml:"source"`
	Confidence string            `yaml:"confidence"`
	Note       string            `yaml:"note"`
	line       int
}

func (k *keyDoc) UnmarshalYAML(n *yaml.Node) error {
	type plain keyDoc
	err := decodeShort(n, &k.Code, (*plain)(k), "code", "text", "areas", "by_area", "needs", "refuse", "source", "confidence", "note")
	k.line = n.Line
	return err
}

// settingDocs is what a setting becomes: a parameter's name, {param ...}, or a list of those.
type settingDocs []settingDoc

type settingDoc struct {
	Param      string           `yaml:"param"`
	Params     []string         `yaml:"params"`
	Values     valuesDoc        `yaml:"values"`
	Unit       string           `yaml:"unit"`
	Join       string           `yaml:"join"`
	Text       string           `yaml:"text"`
	For        listOrOne        `yaml:"for"`
	Also       map[string]value `yaml:"also"`
	Source     string           `yaml:"source"`
	Confidence string           `yaml:"confidence"`
	Note       string           `yaml:"note"`
	line       int
}

func (s *settingDocs) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			var one settingDoc
			if err := one.decode(c); err != nil {
				return err
			}
			*s = append(*s, one)
		}
		return nil
	}
	var one settingDoc
	if err := one.decode(n); err != nil {
		return err
	}
	*s = settingDocs{one}
	return nil
}

func (s *settingDoc) decode(n *yaml.Node) error {
	s.line = n.Line
	if n.Kind == yaml.ScalarNode {
		s.Param = n.Value
		return nil
	}
	type plain settingDoc
	err := decodeStrict(n, (*plain)(s), "param", "params", "values", "unit", "join", "text", "for", "also", "source", "confidence", "note")
	s.line = n.Line
	return err
}

// valuesDoc is a map of values, or the name of one under maps.
type valuesDoc struct {
	Name string
	Map  map[string]value
}

func (v *valuesDoc) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		v.Name = n.Value
		return nil
	}
	return n.Decode(&v.Map)
}

// value is a scalar of any YAML type, as it is written: yes, 1 and "1" are text to a phone.
type value string

func (v *value) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return nodeError(n, "a value is one word or number")
	}
	*v = value(n.Value)
	return nil
}

// listOrOne is a list, or one item without brackets.
type listOrOne []string

func (l *listOrOne) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = listOrOne{n.Value}
		return nil
	}
	return n.Decode((*[]string)(l))
}

// lineError is a fault at a line of vendor.yaml.
type lineError struct {
	line int
	msg  string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.msg) }

func nodeError(n *yaml.Node, format string, args ...any) error {
	return &lineError{n.Line, fmt.Sprintf(format, args...)}
}

// decodeShort decodes what may be written as its most important member alone.
func decodeShort(n *yaml.Node, alone *string, into any, members ...string) error {
	if n.Kind == yaml.ScalarNode {
		*alone = n.Value
		return nil
	}
	return decodeStrict(n, into, members...)
}

// decodeStrict decodes a map whose type has a decoder of its own, where the reader's own check for unknown members
// does not reach.
func decodeStrict(n *yaml.Node, into any, members ...string) error {
	if n.Kind != yaml.MappingNode {
		return nodeError(n, "expected a map with %s", strings.Join(members, ", "))
	}
	for i := 0; i < len(n.Content); i += 2 {
		known := false
		for _, m := range members {
			known = known || n.Content[i].Value == m
		}
		if !known {
			return nodeError(n.Content[i], "unknown member %q, allowed are %s", n.Content[i].Value, strings.Join(members, ", "))
		}
	}
	return n.Decode(into)
}
