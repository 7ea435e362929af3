package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
)

// maxProfile bounds a profile's file: a larger one is a mistake.
const maxProfile = 1 << 20

// profileFile is a profile as it was written: what it says, and where.
type profileFile struct {
	name    string
	root    *yaml.Node
	members map[string]any
}

// readProfile reads the members of a profile from YAML, of which JSON is a part.
func readProfile(c *cobra.Command, file string) (*profileFile, error) {
	in := c.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxProfile+1))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	if len(b) > maxProfile {
		return nil, fmt.Errorf("profile %s is larger than 1 MiB", file)
	}
	p := &profileFile{name: file}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, p.syntax(err)
	}
	if err := doc.Decode(&p.members); err != nil {
		return nil, p.syntax(err)
	}
	if p.members == nil {
		return nil, fmt.Errorf("profile %s is empty", file)
	}
	p.root = doc.Content[0]
	return p, p.readKeys()
}

// readKeys reads the keys that are written as specifications.
func (p *profileFile) readKeys() error {
	keys, _ := p.members["keys"].([]any)
	var errs []error
	for i, k := range keys {
		spec, ok := k.(string)
		if !ok {
			continue
		}
		key, err := fleet.ParseKey(spec)
		if err == nil && key.Type == "" {
			err = errors.New("key " + strconv.Quote(spec) + " has no type; leave it out of the list to remove it")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.at(fmt.Sprintf("keys[%d]", i)), err))
		}
		keys[i] = key
	}
	return errors.Join(errs...)
}

var (
	yamlTwice = regexp.MustCompile(`line (\d+): mapping key (".*") already defined at line (\d+)`)
	yamlKind  = regexp.MustCompile(`line (\d+): cannot construct`)
)

// syntax says what is wrong with the YAML itself.
func (p *profileFile) syntax(err error) error {
	var le *yaml.LoadError
	if m := yamlTwice.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: duplicate %s, first at line %s", p.name, m[1], m[2], m[3])
	}
	if m := yamlKind.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: a profile is a map of keys, settings and so on", p.name, m[1])
	}
	if errors.As(err, &le) {
		return fmt.Errorf("%s:%d: not YAML: %s", p.name, max(le.Mark.Line, 1), le.Message)
	}
	return fmt.Errorf("profile %s: %w", p.name, err)
}

// locate adds file and line to each problem that the daemon found.
func (p *profileFile) locate(err error) error {
	var problem *client.Problem
	if !errors.As(err, &problem) || len(problem.Errors) == 0 {
		return err
	}
	var errs []error
	for _, d := range problem.Errors {
		errs = append(errs, fmt.Errorf("%s: %s", p.at(strings.TrimPrefix(d.Location, "body.")), d))
	}
	return errors.Join(errs...)
}

// at gives file and line of a member such as keys[1].type, of the nearest one around it when it isn't written.
func (p *profileFile) at(member string) string {
	line := 0
	for n := p.root; n != nil; {
		var here int
		if n, here, member = inner(n, member); n != nil {
			line = here
		}
	}
	if line == 0 {
		return p.name
	}
	return fmt.Sprintf("%s:%d", p.name, line)
}

// inner takes one step down the path of a member: into a list's element or a map's longest key that fits.
func inner(n *yaml.Node, path string) (child *yaml.Node, line int, rest string) {
	path = strings.TrimPrefix(path, ".")
	if n.Kind == yaml.SequenceNode && strings.HasPrefix(path, "[") {
		index, rest, _ := strings.Cut(path[1:], "]")
		if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i].Line, rest
		}
		return nil, 0, ""
	}
	if n.Kind != yaml.MappingNode {
		return nil, 0, ""
	}
	longest := -1
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		for _, form := range []string{key, "[" + strconv.Quote(key) + "]"} {
			after, ok := strings.CutPrefix(path, form)
			if ok && len(form) > longest && (after == "" || after[0] == '.' || after[0] == '[') {
				longest, child, line, rest = len(form), n.Content[i+1], n.Content[i].Line, after
			}
		}
	}
	return child, line, rest
}
