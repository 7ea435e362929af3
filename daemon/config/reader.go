package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// maxFile bounds the configuration file in bytes: a larger one is a mistake, not a configuration.
const maxFile = 4 << 20

// reader reads the configuration and checks it as a whole.
type reader struct {
	values
	warnings []Warning
}

// problemPath reports the key at path where it was written.
func (r *reader) problemPath(path, text, format string, args ...any) {
	p := r.Written[path]
	r.Errors = append(r.Errors, Problem{File: r.File, Line: p.Line, Column: p.Column, Key: path, Text: text, Allowed: fmt.Sprintf(format, args...)})
}

func (r *reader) warn(path, text, format string, args ...any) {
	p := r.Written[path]
	r.warnings = append(r.warnings, Warning{File: r.File, Line: p.Line, Column: p.Column, Key: path, Text: text, Allowed: fmt.Sprintf(format, args...)})
}

// values makes the fields that read single values.
type values struct{ *yamlpos.Reader }

func (r values) toBool(dst *bool) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		switch s := yamlpos.Text(n); {
		case n.Kind != yaml.ScalarNode || n.Tag != "!!bool":
			r.Errorf(n, path, "true or false, without quotes")
		default:
			*dst = strings.EqualFold(s, "true")
		}
	}
}

func (r values) toInt(dst *int, low, high int) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		v, err := strconv.Atoi(yamlpos.Text(n))
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < low || v > high {
			r.Errorf(n, path, "a whole number from %d to %d, without quotes", low, high)
			return
		}
		*dst = v
	}
}

func (r values) toWord(dst *string, words ...string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s := yamlpos.Text(n)
		if n.Kind != yaml.ScalarNode || !slices.Contains(words, s) {
			r.Errorf(n, path, "%s%s", oneOf(words), yamlpos.Suggest(s, words))
			return
		}
		*dst = s
	}
}

// toWords reads a list of words without repetition.
func (r values) toWords(dst *[]string, words ...string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		out := []string{}
		r.List(n, path, func(n *yaml.Node, at string) {
			var w string
			r.toWord(&w, words...)(n, at)
			switch {
			case w == "":
			case slices.Contains(out, w):
				r.Errorf(n, at, "duplicate")
			default:
				out = append(out, w)
			}
		})
		*dst = out
	}
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}
