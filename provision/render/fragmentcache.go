package render

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"
	"text/template/parse"
)

// Most of a phone's file states what the phone does not have: 180 keys of modules that are not plugged in, 15 lines that
// are not bound. They must be written, for a phone keeps the key that it is not given empty, and the file depends on
// the device's record alone. They need not be worked out each time.
//
// The body of a {{range}} that uses no variable from outside becomes a template of its own. What it prints for an element
// that is known by a key alone (an empty slot: model, area, number) is stored under that key, unless a function that
// depends on the phone was called meanwhile.
//
// BenchmarkRender in provision/vendors shows what this buys: a phone with one line takes a third of the time and a seventh
// of the allocations with the yealink pack (1,500 against 10,800), half and a quarter with grandstream, and nothing with
// polycom, whose files have no empty slots.

// rangeFunc is what such a {{range}} becomes. Templates can't name it.
const rangeFunc = "_range"

// FragmentContext is what the functions of a bound template share: which elements are known by an id, and whether a function
// that depends on the phone was called.
type FragmentContext struct {
	FragmentKey   func(element any) (id any, ok bool) // ids are comparable; equal ids print equally
	UsedPhoneData bool                                // set by functions that depend on the phone
}

// fragmentCache stores what bodies printed. It is shared by all that are bound to one template, and dropped with it.
type fragmentCache struct {
	m      sync.Map     // fragmentCacheKey to string
	usual  atomic.Int64 // bytes that the template printed last
	budget *FragmentBudget
}

// FragmentBudget bounds the fragments of any number of templates together.
type FragmentBudget struct{ used atomic.Int64 }

// NewFragmentBudget makes a budget of 16 MiB: a pack may have any number of models.
func NewFragmentBudget() *FragmentBudget { return &FragmentBudget{} }

// maxFragmentBytes is the size of a budget.
const maxFragmentBytes = 16 << 20

// take reports whether n more bytes may be stored.
func (b *FragmentBudget) take(n int64) bool {
	if b.used.Add(n) <= maxFragmentBytes {
		return true
	}
	b.used.Add(-n)
	return false
}

type fragmentCacheKey struct {
	body string
	id   any
}

func (m *fragmentCache) get(k fragmentCacheKey) (string, bool) {
	s, ok := m.m.Load(k)
	if !ok {
		return "", false
	}
	return s.(string), true
}

func (m *fragmentCache) put(k fragmentCacheKey, s string) {
	if m.budget.take(int64(len(s)) + 100) {
		m.m.Store(k, strings.Clone(s))
	}
}

// rangeError carries the error of a body, which already has its position.
type rangeError struct{ err error }

func (e *rangeError) Error() string { return e.err.Error() }

func (e *rangeError) Unwrap() error { return e.err }

// innermost is the error of the body that failed, without the ranges around it.
func innermost(err error) error {
	for {
		var r *rangeError
		if !errors.As(err, &r) {
			return err
		}
		err = r.err
	}
}

// rangeFuncFor makes the function for one bound template.
func (t *Template) rangeFuncFor(p *FragmentContext) func(string, any) (string, error) {
	return func(body string, list any) (string, error) {
		v := reflect.ValueOf(list)
		var b strings.Builder
		if v.Kind() != reflect.Slice {
			// Anything else that {{range}} takes, maps and numbers, is rare and left to text/template.
			err := t.t.ExecuteTemplate(&b, body+eachSuffix, list)
			return b.String(), wrapRange(err)
		}
		for i := range v.Len() {
			if err := t.element(&b, body, v.Index(i).Interface(), p); err != nil {
				return "", wrapRange(err)
			}
		}
		return b.String(), nil
	}
}

func wrapRange(err error) error {
	if err == nil {
		return nil
	}
	return &rangeError{err}
}

// element prints one element, from memory where it can.
func (t *Template) element(b *strings.Builder, body string, e any, p *FragmentContext) error {
	id, ok := p.FragmentKey(e)
	if !ok {
		return t.t.ExecuteTemplate(b, body, e)
	}
	k := fragmentCacheKey{body, id}
	if s, ok := t.fragments.get(k); ok {
		b.WriteString(s)
		return nil
	}
	before := p.UsedPhoneData
	p.UsedPhoneData = false
	start := b.Len()
	err := t.t.ExecuteTemplate(b, body, e)
	if err == nil && !p.UsedPhoneData {
		t.fragments.put(k, b.String()[start:])
	}
	p.UsedPhoneData = p.UsedPhoneData || before
	return err
}

const eachSuffix = "*"

// splitRanges makes templates of the bodies that can be templates of their own.
func splitRanges(t *template.Template) error {
	n := 0
	for _, tt := range t.Templates() {
		if tt.Tree == nil {
			continue
		}
		s := splitter{t: t, tree: tt.Tree, next: &n}
		s.list(tt.Tree.Root)
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

type splitter struct {
	t    *template.Template
	tree *parse.Tree
	next *int
	err  error
}

func (s *splitter) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for i, n := range l.Nodes {
		switch x := n.(type) {
		case *parse.IfNode:
			s.list(x.List)
			s.list(x.ElseList)
		case *parse.WithNode:
			s.list(x.List)
			s.list(x.ElseList)
		case *parse.RangeNode:
			alone := len(x.Pipe.Decl) == 0 && x.ElseList == nil && standsAlone(x.List, map[string]bool{})
			s.list(x.List)
			s.list(x.ElseList)
			if alone && s.err == nil {
				l.Nodes[i] = s.split(x)
			}
		}
	}
}

// split moves the body of a range into templates of its own and gives the action that calls them.
func (s *splitter) split(r *parse.RangeNode) parse.Node {
	*s.next++
	name := fmt.Sprintf("%s#%d", s.tree.Name, *s.next)
	add := func(name string, root *parse.ListNode) {
		if s.err == nil {
			tree := *s.tree // with its text, which errors quote lines of
			tree.Name, tree.Root = name, root
			_, s.err = s.t.AddParseTree(name, &tree)
		}
	}
	add(name, r.List)
	each, err := template.New("").Parse(fmt.Sprintf("{{define %q}}{{range .}}{{template %q .}}{{end}}{{end}}", name+eachSuffix, name))
	if err != nil {
		s.err = err
		return r
	}
	add(name+eachSuffix, each.Lookup(name+eachSuffix).Root)
	id := parse.NewIdentifier(rangeFunc).SetTree(s.tree).SetPos(r.Pos)
	arg := &parse.StringNode{NodeType: parse.NodeString, Pos: r.Pos, Quoted: fmt.Sprintf("%q", name), Text: name}
	pipe := r.Pipe.CopyPipe()
	pipe.Cmds = append(pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: r.Pos, Args: []parse.Node{id, arg}})
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: r.Pos, Line: r.Line, Pipe: pipe}
}

// standsAlone reports whether nothing in n uses a variable that known has not, nor leaves the range that n is the body of.
func standsAlone(n parse.Node, known map[string]bool) bool {
	switch x := n.(type) {
	case nil:
		return true
	case *parse.ListNode:
		if x == nil {
			return true
		}
		for _, c := range x.Nodes {
			if !standsAlone(c, known) {
				return false
			}
		}
		return true
	case *parse.BreakNode, *parse.ContinueNode:
		return false
	case *parse.ActionNode:
		return pipeAlone(x.Pipe, known)
	case *parse.TemplateNode:
		return pipeAlone(x.Pipe, known)
	case *parse.IfNode:
		return branchAlone(&x.BranchNode, known)
	case *parse.WithNode:
		return branchAlone(&x.BranchNode, known)
	case *parse.RangeNode:
		return branchAlone(&x.BranchNode, known)
	case *parse.TextNode, *parse.CommentNode:
		return true
	}
	return false
}

func branchAlone(b *parse.BranchNode, known map[string]bool) bool {
	return pipeAlone(b.Pipe, known) && standsAlone(b.List, known) && (b.ElseList == nil || standsAlone(b.ElseList, known))
}

func pipeAlone(p *parse.PipeNode, known map[string]bool) bool {
	if p == nil {
		return true
	}
	for _, c := range p.Cmds {
		for _, a := range c.Args {
			if !argAlone(a, known) {
				return false
			}
		}
	}
	for _, d := range p.Decl {
		if p.IsAssign && !known[d.Ident[0]] {
			return false
		}
		known[d.Ident[0]] = true
	}
	return true
}

func argAlone(n parse.Node, known map[string]bool) bool {
	switch x := n.(type) {
	case *parse.VariableNode:
		return known[x.Ident[0]]
	case *parse.PipeNode:
		return pipeAlone(x, known)
	case *parse.ChainNode:
		return argAlone(x.Node, known)
	case *parse.TemplateNode:
		return pipeAlone(x.Pipe, known)
	}
	return true
}
