package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
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
	problems []placedProblem
	places   []int // of the keys in members: the index in the file
}

// placedProblem is a problem at a place of the file.
type placedProblem struct {
	at  yamlpos.Pos
	err error
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
func (p *profileFile) readKeys() (problems []placedProblem) {
	keys, _ := p.members["keys"].([]any)
	read := make([]any, 0, len(keys))
	for i, k := range keys {
		if spec, ok := k.(string); ok {
			key, err := fleet.ParseKey(spec)
			if err == nil && key.Type == "" {
				err = errors.New("key " + strconv.Quote(spec) + " has no type; leave it out of the list to remove it")
			}
			if err != nil {
				problems = append(problems, p.problem(fmt.Sprintf("keys[%d]", i), err))
				continue
			}
			k = key
		}
		read = append(read, k)
		p.places = append(p.places, i)
	}
	if keys != nil {
		p.members["keys"] = read
	}
	return problems
}

// allProblems returns the problems of the file with those that the daemon finds in the rest of it, which is only tried.
func (p *profileFile) allProblems(c *cobra.Command, cl *client.Client, name string) error {
	_, _, err := cl.Writing(client.Write{DryRun: true, Summary: true}).Profiles().Set(c.Context(), name, p.members)
	var found *client.Problem
	if errors.As(err, &found) && len(found.Errors) > 0 {
		return p.locate(err)
	}
	return p.joined(nil)
}

// locate adds file and line to each problem that the daemon found.
func (p *profileFile) locate(err error) error {
	var problem *client.Problem
	if !errors.As(err, &problem) || len(problem.Errors) == 0 {
		return err
	}
	var found []placedProblem
	for _, d := range problem.Errors {
		d.Location, d.Message = p.inFile(d.Location), p.inFile(d.Message)
		found = append(found, p.problem(strings.TrimPrefix(d.Location, "body."), errors.New(d.String())))
	}
	return p.joined(found)
}

// keyIndex is a key in a problem of the daemon.
var keyIndex = regexp.MustCompile(`\bkeys\[(\d+)\]`)

// inFile returns a text about keys as the daemon got them with their places in the file.
func (p *profileFile) inFile(text string) string {
	return keyIndex.ReplaceAllStringFunc(text, func(s string) string {
		i, err := strconv.Atoi(s[len("keys[") : len(s)-1])
		if err != nil || i >= len(p.places) {
			return s
		}
		return fmt.Sprintf("keys[%d]", p.places[i])
	})
}

// joined returns the problems of the file and others, in the order of the file.
func (p *profileFile) joined(others []placedProblem) error {
	all := slices.Concat(p.problems, others)
	slices.SortStableFunc(all, func(a, b placedProblem) int {
		return cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Column, b.at.Column))
	})
	errs := make([]error, len(all))
	for i, x := range all {
		errs[i] = x.err
	}
	return errors.Join(errs...)
}

// problem is a problem of a member such as keys[1].type, at the place of the nearest one around it when it isn't written.
func (p *profileFile) problem(member string, err error) placedProblem {
	at := yamlpos.Find(p.root, member)
	if at == (yamlpos.Pos{}) {
		return placedProblem{at, fmt.Errorf("%s: %w", p.name, err)}
	}
	return placedProblem{at, fmt.Errorf("%s:%d:%d: %w", p.name, at.Line, at.Column, err)}
}
