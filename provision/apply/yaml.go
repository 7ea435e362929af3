package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// FormatOf returns the format of a file, csv, json or yaml, by its name, else by what it begins with.
func FormatOf(name string, b []byte) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return "json"
	case ".csv", ".tsv", ".txt":
		return "csv"
	}
	line, _, _ := bytes.Cut(bytes.TrimLeft(b, " \r\n\t"), []byte("\n"))
	switch {
	case bytes.HasPrefix(line, []byte("{")):
		return "json"
	case bytes.ContainsAny(line, ",;\t") && !bytes.Contains(line, []byte(": ")):
		return "csv"
	}
	return "yaml"
}

// YAML is a document in YAML, with what it is in JSON.
type YAML struct {
	JSON  []byte
	root  *yaml.Node // nil when it was read in parts
	parts *parts
}

// ParseYAML reads a document of at most limit bytes. Its error names each position by the file's name, line and column.
func ParseYAML(file string, b []byte, limit int) (*YAML, error) {
	if len(b) > wholeMax && len(b) <= limit {
		if d, ok, err := parseParts(file, b, recordsAtOnce); ok {
			return d, err
		}
	}
	return parseWhole(file, b, limit)
}

// parseParts reads a document in parts. ok is false when it must be read whole.
func parseParts(file string, b []byte, atOnce int) (d *YAML, ok bool, err error) {
	list, ok := splitYAML(b, atOnce)
	if !ok {
		return nil, false, nil
	}
	d = &YAML{parts: &parts{file: file, text: b, list: list}}
	var problems yamlpos.Errors
	if d.JSON, problems, ok = d.parts.toJSON(); len(problems) > 0 {
		return nil, ok, problems
	}
	return d, ok, nil
}

func parseWhole(file string, b []byte, limit int) (*YAML, error) {
	r := yamlpos.Reader{File: file}
	d := &YAML{root: r.Parse(b, limit)}
	if d.root != nil && !yamlpos.IsNull(d.root) && len(r.Errors) == 0 {
		asText(d.root, false)
		var err error
		if d.JSON, err = json.Marshal(r.Any(d.root, "")); err != nil {
			return nil, err
		}
	}
	if len(r.Errors) > 0 {
		return nil, r.Errors
	}
	if d.JSON == nil {
		return nil, fmt.Errorf("%s is empty", file)
	}
	return d, nil
}

// Find returns where a member is: devices[3].label.
func (d *YAML) Find(path string) yamlpos.Pos {
	if d.parts != nil {
		return d.parts.find(path)
	}
	return yamlpos.Find(d.root, path)
}

// textMembers are members that are texts and often look like numbers: YAML takes 1001 without quotes for one.
var textMembers = []string{"mac", "other_macs", "number", "extension", "registrar", "value", "label", "name", "serial", "location", "notes", "model",
	"profile", "auth_user", "password", "voicemail", "display_name", "pickup_code", "mobile", "home", "group", "tags"}

// asText makes texts of what is written as a number where a member is a text.
func asText(n *yaml.Node, text bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		if text && (n.Tag == "!!int" || n.Tag == "!!float") {
			n.Tag = "!!str"
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			asText(n.Content[i+1], slices.Contains(textMembers, n.Content[i].Value))
		}
	default:
		for _, c := range n.Content {
			asText(c, text)
		}
	}
}
