package render

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// escapeFunc is the function that every printed action ends in. Templates can't name it: it holds a character that
// an identifier can't.
const escapeFunc = "_escape"

// Template is a template whose every printed value is escaped for its format.
type Template struct {
	Name      string
	Format    *Format
	t         *template.Template
	fields    []string
	fragments *fragmentCache
	source    string
}

// Source is one template file.
type Source struct{ Name, Text string }

// Compile parses a template and the partial templates it may call. With secrets unset, printing a Sensitive value is
// an error: that is what makes a file common.
func Compile(main Source, partials []Source, f *Format, funcs template.FuncMap, secrets bool) (*Template, error) {
	all := Funcs()
	maps.Copy(all, funcs)
	all[escapeFunc] = func(field string, v any) (string, error) {
		s, err := f.escape(v, secrets)
		if err != nil {
			return "", &FieldError{Field: field, Err: err}
		}
		return s, nil
	}
	t := template.New(main.Name).Option("missingkey=error").Funcs(all)
	for _, src := range append(slices.Clone(partials), main) {
		tt := t
		if src.Name != main.Name {
			tt = t.New(src.Name)
		}
		if _, err := tt.Parse(src.Text); err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
		}
	}
	out := &Template{Name: main.Name, Format: f, t: t, fragments: &fragmentCache{budget: NewFragmentBudget()}, source: main.Text}
	t.Funcs(template.FuncMap{rangeFunc: out.rangeFuncFor(&FragmentContext{FragmentKey: func(any) (any, bool) { return nil, false }})})
	var errs []error
	for _, tt := range t.Templates() {
		if tt.Tree == nil {
			continue
		}
		w := walker{tree: tt.Tree, format: f, funcs: all}
		w.list(tt.Tree.Root)
		errs = append(errs, w.errs...)
	}
	out.fields = out.findFields()
	if err := errors.Join(errs...); err != nil {
		return out, err
	}
	return out, splitRanges(t)
}

// ShareBudget makes the template's fragments count against a budget that other templates share.
func (t *Template) ShareBudget(b *FragmentBudget) { t.fragments.budget = b }

// FieldError is a value that can't be printed where the template has it.
type FieldError struct {
	Field string // as the template names it
	Err   error
}

func (e *FieldError) Error() string { return e.Field + " " + e.Err.Error() }

func (e *FieldError) Unwrap() error { return e.Err }

// escape makes v safe where an action of this format is.
func (f *Format) escape(v any, secrets bool) (string, error) {
	if f.Kind == "json" {
		return f.escapeJSON(v, secrets)
	}
	s, hot, err := Plain(v, f.Words())
	if err != nil {
		return "", err
	}
	if hot && !secrets {
		return "", errors.New("is secret and can't be in a file that is given without proof")
	}
	if f.HasParams() {
		// The value itself is checked when the parameter is written, so that the error can name the parameter.
		return pack(s), nil
	}
	if err := f.CheckValue(s); err != nil {
		return "", err
	}
	if f.Kind == "xml" {
		return escapeXML(s), nil
	}
	if strings.ContainsAny(s, "\r\n") {
		return "", errors.New("holds a line break, which this file can't carry")
	}
	return s, nil
}

// walker rewrites one parse tree and refuses what can't be made safe.
type walker struct {
	tree   *parse.Tree
	format *Format
	funcs  template.FuncMap
	errs   []error
}

func (w *walker) problem(n parse.Node, format string, args ...any) {
	where, _ := w.tree.ErrorContext(n)
	w.errs = append(w.errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

func (w *walker) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		w.node(n)
	}
}

func (w *walker) node(n parse.Node) {
	switch x := n.(type) {
	case *parse.TextNode:
		if w.format.Kind == "xml" && bytes.Contains(bytes.ReplaceAll(x.Text, []byte("<!DOCTYPE"), nil), []byte("<!")) {
			w.problem(x, "an XML comment or CDATA section: printed values aren't safe inside, use {{/* */}} for comments")
		}
		if bytes.Contains(x.Text, []byte(packed)) {
			w.problem(x, "the control character U+001A")
		}
	case *parse.ActionNode:
		w.pipe(x.Pipe)
		if len(x.Pipe.Decl) == 0 {
			w.escape(x)
		}
	case *parse.IfNode:
		w.branch(&x.BranchNode)
	case *parse.RangeNode:
		w.branch(&x.BranchNode)
	case *parse.WithNode:
		w.branch(&x.BranchNode)
	case *parse.TemplateNode:
		w.pipe(x.Pipe)
	case *parse.ListNode:
		w.list(x)
	}
}

func (w *walker) branch(b *parse.BranchNode) {
	w.pipe(b.Pipe)
	w.list(b.List)
	w.list(b.ElseList)
}

// pipe refuses functions that aren't ours.
func (w *walker) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, c := range p.Cmds {
		for _, a := range c.Args {
			switch x := a.(type) {
			case *parse.IdentifierNode:
				if x.Ident == escapeFunc || x.Ident == rangeFunc || !builtins[x.Ident] && w.funcs[x.Ident] == nil {
					w.problem(x, "function %s is not among those that templates have", x.Ident)
				}
			case *parse.PipeNode:
				w.pipe(x)
			case *parse.ChainNode:
				if inner, ok := x.Node.(*parse.PipeNode); ok {
					w.pipe(inner)
				}
			}
		}
	}
}

// escape appends the escaper to what an action prints; its argument is the action as written, for error messages.
func (w *walker) escape(a *parse.ActionNode) {
	field := a.Pipe.String()
	id := parse.NewIdentifier(escapeFunc).SetTree(w.tree).SetPos(a.Pos)
	arg := &parse.StringNode{NodeType: parse.NodeString, Pos: a.Pos, Quoted: strconv.Quote(field), Text: field}
	a.Pipe.Cmds = append(a.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: a.Pos, Args: []parse.Node{id, arg}})
}

// Params runs a template of a parameter format.
func (t *Template) Params(data any) ([]Param, error) {
	text, err := t.run(data)
	if err != nil {
		return nil, err
	}
	params, err := readParamList(text)
	var bad *paramListError
	if errors.As(err, &bad) {
		if n := printedBy(t.source, bad.line); n > 0 {
			return nil, fmt.Errorf("%s:%d: %w", t.Name, n, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	return params, nil
}

// Document runs a template of a document format.
func (t *Template) Document(data any) ([]byte, error) {
	text, err := t.run(data)
	return []byte(text), err
}

func (t *Template) run(data any) (string, error) {
	var b strings.Builder
	b.Grow(int(t.fragments.usual.Load()))
	err := t.t.Execute(&b, data)
	if err == nil {
		t.fragments.usual.Store(int64(b.Len() + 64))
		return b.String(), nil
	}
	err = innermost(err)
	if r := refusal(err); r != nil {
		return "", r
	}
	msg := strings.TrimPrefix(err.Error(), "template: ")
	var fe *FieldError
	if errors.As(err, &fe) {
		where, _, _ := strings.Cut(msg, ": executing ")
		return "", fmt.Errorf("%s: %w", where, fe)
	}
	return "", errors.New(cleanTemplateError(msg))
}

var (
	executing = regexp.MustCompile(`: executing "[^"]*" at <(.*?)>: `)
	noField   = regexp.MustCompile(`can't evaluate field (\w+)(?: in type \S+)?$`)
)

// cleanTemplateError takes the words of Go's template package off an error: file and line name the place.
func cleanTemplateError(msg string) string {
	return noField.ReplaceAllString(executing.ReplaceAllString(msg, ": $1: "), "there is no $1 here")
}

// Fields lists the fields and the constant first arguments of functions and methods that the template and its partials use:
// ".Password", "setting admin_password", ".Is t4". Package pack finds the settings that templates print by it.
func (t *Template) Fields() []string { return t.fields }

func (t *Template) findFields() []string {
	seen := make(map[string]bool)
	t.collect(t.Name, seen, make(map[string]bool))
	return slices.Sorted(maps.Keys(seen))
}

// collect reads one template and those that it calls.
func (t *Template) collect(name string, seen, visited map[string]bool) {
	tt := t.t.Lookup(name)
	if tt == nil || tt.Tree == nil || visited[name] {
		return
	}
	visited[name] = true
	collect(tt.Tree.Root, seen)
	for called := range seen {
		if sub, ok := strings.CutPrefix(called, "template "); ok {
			t.collect(sub, seen, visited)
		}
	}
}

func collect(n parse.Node, seen map[string]bool) {
	switch x := n.(type) {
	case *parse.ListNode:
		if x != nil {
			for _, c := range x.Nodes {
				collect(c, seen)
			}
		}
	case *parse.ActionNode:
		collect(x.Pipe, seen)
	case *parse.IfNode:
		collectBranch(&x.BranchNode, seen)
	case *parse.RangeNode:
		collectBranch(&x.BranchNode, seen)
	case *parse.WithNode:
		collectBranch(&x.BranchNode, seen)
	case *parse.TemplateNode:
		seen["template "+x.Name] = true
		collect(x.Pipe, seen)
	case *parse.PipeNode:
		if x == nil {
			return
		}
		for _, c := range x.Cmds {
			collectCommand(c, seen)
		}
	case *parse.FieldNode:
		for _, id := range x.Ident {
			seen["."+id] = true
		}
	case *parse.VariableNode:
		for _, id := range x.Ident[1:] {
			seen["."+id] = true
		}
	case *parse.ChainNode:
		for _, id := range x.Field {
			seen["."+id] = true
		}
		collect(x.Node, seen)
	}
}

func collectBranch(b *parse.BranchNode, seen map[string]bool) {
	collect(b.Pipe, seen)
	collect(b.List, seen)
	collect(b.ElseList, seen)
}

func collectCommand(c *parse.CommandNode, seen map[string]bool) {
	if id, ok := c.Args[0].(*parse.IdentifierNode); ok && len(c.Args) == 1 {
		seen[id.Ident] = true
	} else if ok && id.Ident != escapeFunc {
		if s, ok := c.Args[1].(*parse.StringNode); ok {
			seen[id.Ident+" "+s.Text] = true
		}
	}
	if method := lastField(c.Args[0]); method != "" && len(c.Args) > 1 {
		argument := "?" // not a constant
		if s, ok := c.Args[1].(*parse.StringNode); ok {
			argument = s.Text
		}
		seen["."+method+" "+argument] = true
	}
	for _, a := range c.Args {
		collect(a, seen)
	}
}

// lastField returns the last name of a chain of fields, "" of anything else.
func lastField(n parse.Node) string {
	var names []string
	switch x := n.(type) {
	case *parse.FieldNode:
		names = x.Ident
	case *parse.VariableNode:
		names = x.Ident[1:]
	case *parse.ChainNode:
		names = x.Field
	}
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

// With gives the template with other functions of the same names, those of one phone, for one run at a time. t itself is
// not changed.
func (t *Template) With(funcs template.FuncMap, p *FragmentContext) (*Template, error) {
	c, err := t.t.Clone()
	if err != nil {
		return nil, err
	}
	out := &Template{Name: t.Name, Format: t.Format, t: c.Funcs(funcs), fields: t.fields, fragments: t.fragments, source: t.source}
	c.Funcs(template.FuncMap{rangeFunc: out.rangeFuncFor(p)})
	return out, nil
}
