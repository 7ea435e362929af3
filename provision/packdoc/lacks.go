package packdoc

import (
	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// Lacks is what a pack states that files of some models do not carry, although others of its files do: settings, types of
// keys, and members of lines, each by name.
type Lacks struct {
	Settings map[string]LackList `yaml:"settings"`
	Keys     map[string]LackList `yaml:"keys"`
	Lines    map[string]LackList `yaml:"lines"`
}

// LackList is one statement or several about the same name.
type LackList []Lack

// Lack is one statement: for which models, and for which of their lines or keys, something is not carried.
type Lack struct {
	For     Words  `yaml:"for"`
	Lines   string `yaml:"lines"`   // settings and members of lines: only on these positions, as "5-6" or "2-"
	Keyless bool   `yaml:"keyless"` // members of lines: only on positions beyond the model's line keys, beside which they are shown
	Areas   Words  `yaml:"areas"`   // keys: only in these areas
	Slots   string `yaml:"slots"`   // keys: only in these slots
	Basis   `yaml:",inline"`
	Pos     yamlpos.Pos
}

// DecodeYAML reads the statements about one name. A text alone is the note of one that holds for every model.
func (l *LackList) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	eachOrOne(r, n, path, func(n *yaml.Node, path string) {
		var one Lack
		scalarOrFields(r, n, path, &one.Note, &one)
		one.Pos = yamlpos.At(n)
		*l = append(*l, one)
	})
}
