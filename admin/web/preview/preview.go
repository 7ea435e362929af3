// Package preview is what the screens of changes share: a dry run, with the phones grouped that change in the same way, and how the phones
// fetch the change afterwards. Its templates are "preview", "effect", a preview on the screen of one record, and "fetch-choice".
package preview

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/dhcp"
	"plugtone/provision/impact"
)

// Parts are the templates of this package, for page.Frame.Templates.
//
//go:embed templates
var Parts embed.FS

// Preview is what a dry run has found.
type Preview struct {
	impact.Preview
	Groups []Group
	Hidden int // groups that are not shown
}

// Group is phones whose files change in the same way.
type Group struct {
	Change  string // changed, new or gone
	Phones  []impact.Phone
	Files   []File // of the first phone
	Added   int    // lines
	Removed int
	Open    bool
	Problem string
	Models  []string
}

// File is how one file changes.
type File struct {
	impact.File
	Lines []page.DiffLine
}

// Limits of what is shown of a preview.
const (
	shownGroups = 60
	shownNames  = 40 // phones of a group
	shownLines  = 400
)

// DryRun makes a change without storing it. models has the models of phones, as far as they are known.
func DryRun(ctx context.Context, api *client.Client, do func(context.Context, *client.Client) error, models map[dhcp.MAC]string) (*Preview, error) {
	return Tried(do(ctx, api.Writing(client.Write{DryRun: true})), models)
}

// Tried returns the preview that the error of a dry run has. Any other error is returned as it is.
func Tried(err error, models map[dhcp.MAC]string) (*Preview, error) {
	var tried *client.DryRun
	if !errors.As(err, &tried) {
		return nil, err
	}
	return Of(tried.Preview, models), nil
}

// Of groups the phones of a preview by how they change, the largest group first.
func Of(p impact.Preview, models map[dhcp.MAC]string) *Preview {
	out := &Preview{Preview: p}
	at := map[string]int{}
	for _, x := range p.Items {
		key := wayOf(x)
		i, ok := at[key]
		if !ok {
			i = len(out.Groups)
			at[key] = i
			out.Groups = append(out.Groups, newGroup(x))
		}
		g := &out.Groups[i]
		g.Phones = append(g.Phones, x)
		if m := models[x.MAC]; m != "" && !slices.Contains(g.Models, m) {
			g.Models = append(g.Models, m)
		}
	}
	slices.SortStableFunc(out.Groups, func(a, b Group) int { return cmp.Compare(len(b.Phones), len(a.Phones)) })
	if len(out.Groups) > shownGroups {
		out.Hidden = len(out.Groups) - shownGroups
		out.Groups = out.Groups[:shownGroups]
	}
	if len(out.Groups) == 1 {
		out.Groups[0].Open = true
	}
	return out
}

// wayOf returns what phones have in common that change in the same way: the lines of their files that differ, without the phone's own MAC.
func wayOf(x impact.Phone) string {
	var b strings.Builder
	b.WriteString(x.Change + "\n" + x.Error + "\n")
	own := strings.NewReplacer(x.MAC.String(), "", x.MAC.Hex(), "", strings.ToUpper(x.MAC.Hex()), "", strings.ToUpper(x.MAC.String()), "")
	for _, f := range x.Files {
		b.WriteString(own.Replace(f.Name) + " " + f.Change + " " + f.Note + "\n")
		for _, l := range page.SplitDiff(f.Diff) {
			if l.Kind == "add" || l.Kind == "del" {
				b.WriteString(own.Replace(l.Text) + "\n")
			}
		}
	}
	return b.String()
}

func newGroup(x impact.Phone) Group {
	g := Group{Change: x.Change, Problem: x.Error}
	for _, f := range x.Files {
		d := File{File: f}
		for _, l := range page.SplitDiff(f.Diff) {
			switch l.Kind {
			case "add":
				g.Added++
			case "del":
				g.Removed++
			case "file": // the name is above the lines
				continue
			}
			if len(d.Lines) < shownLines {
				d.Lines = append(d.Lines, l)
			}
		}
		g.Files = append(g.Files, d)
	}
	return g
}

// Shown are the phones of a group that are named.
func (g Group) Shown() []impact.Phone { return g.Phones[:min(len(g.Phones), shownNames)] }

// More is how many are not.
func (g Group) More() int { return max(0, len(g.Phones)-shownNames) }

// Name is the name of the group: its phone, or how many there are.
func (g Group) Name() string {
	if len(g.Phones) > 1 {
		return page.Plural(len(g.Phones), "phone", "phones")
	}
	return phoneName(g.Phones[0])
}

func phoneName(p impact.Phone) string {
	if p.Label != "" {
		return p.Label
	}
	return p.MAC.String()
}

// changing are the MACs of the phones that have something to fetch; ok is false when the preview does not list all.
func (p *Preview) changing() (macs []string, ok bool) {
	for _, x := range p.Items {
		if x.Change != impact.Gone {
			macs = append(macs, x.MAC.String())
		}
	}
	return macs, p.More == 0
}

// Records is how many records would change.
func (p *Preview) Records() int { return p.Created + p.Changed + p.Deleted }

// Ends reports whether all phones of the preview are those that get no files afterwards.
func (p *Preview) Ends() bool {
	return p.Phones > 0 && !slices.ContainsFunc(p.Items, func(x impact.Phone) bool { return x.Change != impact.Gone })
}
