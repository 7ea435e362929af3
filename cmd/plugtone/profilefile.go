package main

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
	"plugtone/provision/yamlpos"
)

// maxProfile bounds a profile's file: a larger one is a mistake.
const maxProfile = 1 << 20

// profileFile is a profile as it was written: its members, and their positions.
type profileFile struct {
	name    string
	root    *yaml.Node
	members map[string]any
	// problems are those of keys that are written as specifications. A key with one is left out of members.
	problems error
}

// readProfile reads the members of a profile from YAML, of which JSON is a part.
func readProfile(c *cobra.Command, file string) (*profileFile, error) {
	b, err := readAll(c, file, maxProfile)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	r := yamlpos.NewReader(file)
	p := &profileFile{name: file, root: r.Parse(b, maxProfile)}
	if p.root != nil && !yamlpos.IsNull(p.root) {
		if p.root.Kind != yaml.MappingNode {
			r.Errorf(p.root, "", "a profile is a map of keys, settings and so on")
		} else {
			p.members, _ = r.Any(p.root, "").(map[string]any)
		}
	}
	if len(r.Errors) > 0 {
		return nil, r.Errors
	}
	if p.members == nil {
		return nil, fmt.Errorf("profile %s is empty", file)
	}
	p.problems = p.readKeys()
	return p, nil
}

// readKeys reads the keys that are written as specifications.
func (p *profileFile) readKeys() error {
	keys, _ := p.members["keys"].([]any)
	var errs []error
	read := make([]any, 0, len(keys))
	for i, k := range keys {
		spec, ok := k.(string)
		if !ok {
			read = append(read, k)
			continue
		}
		key, err := fleet.ParseKey(spec)
		if err == nil && key.Type == "" {
			err = errors.New("key " + strconv.Quote(spec) + " has no type; leave it out of the list to remove it")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.at(fmt.Sprintf("keys[%d]", i)), err))
			continue
		}
		read = append(read, key)
	}
	if keys != nil {
		p.members["keys"] = read
	}
	return errors.Join(errs...)
}

// allProblems returns the problems of the file with those that the daemon finds in the rest of it, which is only tried.
func (p *profileFile) allProblems(c *cobra.Command, cl *client.Client, name string) error {
	rest := p.members
	if keys, _ := rest["keys"].([]any); len(keys) > 0 {
		rest = maps.Clone(rest)
		delete(rest, "keys") // their places in the list are not those in the file
	}
	_, _, err := cl.Writing(client.Write{DryRun: true, Summary: true}).Profiles().Set(c.Context(), name, rest)
	var problem *client.Problem
	if errors.As(err, &problem) {
		return errors.Join(p.problems, p.locate(err))
	}
	return p.problems
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

// at is file, line and column of a member such as keys[1].type, or of the nearest one around it when it isn't written.
func (p *profileFile) at(member string) string {
	at := yamlpos.Find(p.root, member)
	if at == (yamlpos.Pos{}) {
		return p.name
	}
	return fmt.Sprintf("%s:%d:%d", p.name, at.Line, at.Column)
}
