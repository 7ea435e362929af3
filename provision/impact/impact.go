// Package impact computes which phones' files a change of the records would change, and how: it renders the files of the phones
// concerned from the records as they are and as they would be, with the code that answers the phones. It stores nothing.
package impact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
	"plugtone/provision/resolve"
)

// Renderer renders the files of phones. *provision.Service implements it.
type Renderer interface {
	Files(ctx context.Context, mac dhcp.MAC, subnet netip.Prefix) ([]provision.FileInfo, error)
	Masked(ctx context.Context, mac dhcp.MAC) ([]provision.FileContent, error)
	File(ctx context.Context, mac dhcp.MAC, name string, subnet netip.Prefix, reveal bool) (provision.FileContent, error)
}

// How a phone or a file changes.
const (
	Changed = "changed"
	New     = "new"
	Gone    = "gone"
)

// Preview is what a change would do.
type Preview struct {
	Action  string `json:"action" doc:"what would be done, in words" example:"change device 00:15:65:12:34:56"`
	Created int    `json:"created" doc:"how many records would be created" example:"0" minimum:"0"`
	Changed int    `json:"changed" doc:"how many records would be changed" example:"1" minimum:"0"`
	Deleted int    `json:"deleted" doc:"how many records would be deleted" example:"0" minimum:"0"`
	Same    int    `json:"same,omitempty" doc:"of an apply: how many records of the file are so already" example:"12" minimum:"0"`
	// Rows is set by an apply, as is Conflicts.
	Rows      []RowVerdict `json:"rows,omitempty" doc:"of an apply: what would become of the records of the file, in its order, 1000 at most; records that are so already only as far as there is room"`
	MoreRows  int          `json:"more_rows,omitempty" doc:"how many further records would be created, changed or removed, or conflict" example:"0" minimum:"0"`
	Conflicts int          `json:"conflicts,omitempty" doc:"of an apply: how many records contradict another record; while there are any, apply changes nothing" example:"0" minimum:"0"`
	Phones    int          `json:"phones" doc:"how many phones' files would change, new and removed phones included" example:"1" minimum:"0"`
	Items     []Phone      `json:"items" doc:"the phones whose files would change, by MAC; empty in a summary"`
	More      int          `json:"more,omitempty" doc:"how many phones are not listed" example:"0" minimum:"0"`
	// NotRendered explains why a phone is missing in Phones.
	NotRendered []NotRendered `json:"not_rendered,omitempty" doc:"phones that the change affects and that have files that can't be rendered, which are not compared, by reason; after ten reasons, one entry counts the phones with others"`
	// Problems is set by syncs of PBX sources.
	Problems []string `json:"problems,omitempty" doc:"of a sync of a PBX source: what of the PBX could not be used" example:"[\"device 00:15:65:12:34:56: its model is not known: tried were acme/x1\"]"`
	// LeftOut is set by the callers of Compute.
	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" doc:"what phones would not get that they do not lack now, by vendor: their models, or the files of the vendor, have no place for it"`
	// Lost is set by the callers of Compute that move members between phones.
	Lost []string `json:"lost,omitempty" doc:"what phones would lose because their models can't have it; the change itself then needs the confirmation yes" example:"[\"00:15:65:12:34:57: line 5 (1005@main): T31P has lines 1 to 2\"]"`
}

// RowVerdict is what became of one record of an apply, or would.
type RowVerdict struct {
	Row     string `json:"row,omitempty" doc:"where the record is" example:"row 7"`
	Kind    string `json:"kind" doc:"kind of record" example:"device"`
	Name    string `json:"name" doc:"name of the record" example:"00:15:65:12:34:56"`
	Verdict string `json:"verdict" enum:"new,same,changed,conflict,deleted" doc:"what became of it; conflict: another record, an earlier row or a PBX source has what it wants" example:"new"`
	Reason  string `json:"reason,omitempty" doc:"what it contradicts, and what a PBX source keeps as it is" example:"reserved_ip 10.20.0.50 is reserved for device 00:15:65:12:34:57 already"`
}

// Phone is a phone whose files would change.
type Phone struct {
	MAC    dhcp.MAC `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Label  string   `json:"label,omitempty" doc:"name for people" example:"Reception"`
	Change string   `json:"change" enum:"changed,new,gone" doc:"new: it has no record yet; gone: its record would be deleted" example:"changed"`
	Files  []File   `json:"files,omitempty" doc:"the files that would change"`
	Error  string   `json:"error,omitempty" doc:"why its files can't be rendered" example:"line 1: extension 1001@main: not found"`
}

// File is a file that would change.
type File struct {
	Name        string `json:"name" doc:"name of the file" example:"001565123456.cfg"`
	Change      string `json:"change" enum:"changed,new,gone" doc:"how it would change" example:"changed"`
	Diff        string `json:"diff,omitempty" doc:"the lines that would change, as a unified diff with *** for secrets; absent for files that are not text" example:"-label = Desk\n+label = Reception\n"`
	Note        string `json:"note,omitempty" doc:"why the lines are not known" example:"rendered by pbx.example.net instead of plugtone"`
	SecretsOnly bool   `json:"secrets_only,omitempty" doc:"whether nothing but secrets would change" example:"false"`
}

// Options control what Compute does.
type Options struct {
	Site    *fleet.Site // whose settings the phones have
	Summary bool        // count only
	// Followers spares reading all devices; nil: they are read.
	Followers Followers
	Phones    int // how many phones are listed; 0: MaxPhones
}

// MaxPhones is how many phones a preview lists by default.
const MaxPhones = 10_000

// Compute returns what a change would do. before renders from records as they are, after from what Records returns for the
// change.
func Compute(ctx context.Context, records fleet.Records, before, after Renderer, c fleet.Change, o Options) (Preview, error) {
	p := Preview{Action: c.Action, Created: c.Created, Changed: c.Changed, Deleted: c.Deleted, Items: []Phone{}}
	if o.Phones == 0 {
		o.Phones = MaxPhones
	}
	var macs []dhcp.MAC
	err := records.View(func(f fleet.View) (err error) {
		macs, err = Affected(f, o.Site, c, o.Followers)
		return err
	})
	if err != nil {
		return p, err
	}
	devices := changedDevices(c)
	var unchanged []int // items whose records don't change
	for _, mac := range macs {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		x, differs, fails := compare{before, after, o.Summary || len(p.Items) >= o.Phones}.phone(ctx, mac, devices[mac])
		p.notRendered(mac, fails)
		if !differs {
			continue
		}
		p.Phones++
		switch {
		case o.Summary:
		case len(p.Items) < o.Phones:
			if devices[mac].Kind == "" {
				unchanged = append(unchanged, len(p.Items))
			}
			p.Items = append(p.Items, x)
		default:
			p.More++
		}
	}
	return p, records.View(func(f fleet.View) error { return p.label(f, unchanged) })
}

// label fills in the labels of items whose records don't change.
func (p *Preview) label(f fleet.View, items []int) error {
	for _, i := range items {
		d, err := f.Device(p.Items[i].MAC)
		switch {
		case err == nil:
			p.Items[i].Label = d.Label
		case !errors.Is(err, fleet.ErrNotFound):
			return err
		}
	}
	return nil
}

// changedDevices returns the devices of a change by their MAC.
func changedDevices(c fleet.Change) map[dhcp.MAC]fleet.ChangedRecord {
	out := map[dhcp.MAC]fleet.ChangedRecord{}
	for _, r := range c.Records {
		switch {
		case r.After != nil && r.After.Device != nil:
			out[r.After.Device.MAC] = r
		case r.Before != nil && r.Before.Device != nil:
			out[r.Before.Device.MAC] = r
		}
	}
	return out
}

// compare compares the files of phones.
type compare struct {
	before, after Renderer
	count         bool // without diffs
}

// phone compares the files of one phone. fails is why some can't be rendered, when p.Error has no reason.
func (x compare) phone(ctx context.Context, mac dhcp.MAC, r fleet.ChangedRecord) (p Phone, differs bool, fails string) {
	p = Phone{MAC: mac, Change: Changed}
	var d *fleet.Device
	switch {
	case r.Kind != "" && r.Before == nil:
		p.Change, d = New, r.After.Device
	case r.Kind != "" && r.After == nil:
		p.Change, d = Gone, r.Before.Device
	case r.Kind != "":
		d = r.After.Device
	}
	if d != nil {
		p.Label = d.Label
	}
	if p.Change != Changed && (x.count || d.Vendor == "") {
		return p, d.Vendor != "", "" // a device without a vendor gets no files
	}
	list := masks
	if x.count {
		list = digests
	}
	var was, is []provision.FileContent
	var errWas, errIs error
	if p.Change != New {
		was, errWas = list(ctx, x.before, mac)
	}
	if p.Change != Gone {
		is, errIs = list(ctx, x.after, mac)
	}
	if errIs != nil {
		if errWas != nil {
			return p, false, reasonOf(mac, errIs.Error())
		}
		p.Error = reasonOf(mac, errIs.Error())
		return p, true, ""
	}
	p.Files = x.files(ctx, mac, was, is)
	return p, len(p.Files) > 0 || p.Change != Changed, failure(mac, is)
}

// masks returns the files of a phone with secrets masked. A template that takes no mask for a value leaves them without bytes.
func masks(ctx context.Context, r Renderer, mac dhcp.MAC) ([]provision.FileContent, error) {
	list, err := r.Masked(ctx, mac)
	if slices.ContainsFunc(list, func(f provision.FileContent) bool { return f.Outcome == string(provision.InternalError) }) {
		return digests(ctx, r, mac)
	}
	return list, err
}

// digests returns the files of a phone without bytes; their digests are those of the secrets too.
func digests(ctx context.Context, r Renderer, mac dhcp.MAC) (out []provision.FileContent, err error) {
	list, err := r.Files(ctx, mac, netip.Prefix{})
	for _, f := range list {
		out = append(out, provision.FileContent{FileInfo: f})
	}
	return out, err
}

// files returns the files that differ, in the order in which the phone requests them.
func (x compare) files(ctx context.Context, mac dhcp.MAC, was, is []provision.FileContent) []File {
	var out []File
	old := byName(was)
	secrets := x.secrets(ctx, mac, old, is)
	for _, f := range is {
		if !isServed(f) {
			continue
		}
		o, there := old[f.Name]
		delete(old, f.Name)
		switch {
		case !there:
			out = append(out, x.file(New, f.Name, nil, f.Body))
		case o.Upstream != nil && f.Upstream != nil && o.Upstream.Hosts == f.Upstream.Hosts: // what it renders is not known here
		case o.Upstream != nil || f.Upstream != nil:
			out = append(out, File{Name: f.Name, Change: Changed, Note: renderer(o, f)})
		case differ(o, f):
			out = append(out, x.file(Changed, f.Name, o.Body, f.Body))
		case secrets[f.Name]:
			out = append(out, File{Name: f.Name, Change: Changed, SecretsOnly: true})
		}
	}
	for _, f := range was {
		if _, gone := old[f.Name]; gone {
			out = append(out, x.file(Gone, f.Name, f.Body, nil))
		}
	}
	return out
}

// byName returns the files that the phone gets.
func byName(list []provision.FileContent) map[string]provision.FileContent {
	out := map[string]provision.FileContent{}
	for _, f := range list {
		if isServed(f) {
			out[f.Name] = f
		}
	}
	return out
}

func differ(a, b provision.FileContent) bool { return a.Digest != b.Digest || a.Size != b.Size }

// secrets returns the files that differ only in what is masked. All are rendered once more for that, unless none can: files of all phones
// of a model have no secrets.
func (x compare) secrets(ctx context.Context, mac dhcp.MAC, old map[string]provision.FileContent, is []provision.FileContent) map[string]bool {
	alike := slices.ContainsFunc(is, func(f provision.FileContent) bool {
		o, there := old[f.Name]
		return there && isServed(f) && f.Upstream == nil && o.Upstream == nil && f.Kind != string(phonefile.KindCommon) && f.Body != nil && !differ(o, f)
	})
	if x.count || !alike {
		return nil
	}
	before, errBefore := digests(ctx, x.before, mac)
	after, errAfter := digests(ctx, x.after, mac)
	if errBefore != nil || errAfter != nil {
		return nil // it became unreadable meanwhile
	}
	out := map[string]bool{}
	full := byName(before)
	for _, f := range after {
		o, there := full[f.Name]
		out[f.Name] = there && isServed(f) && differ(o, f)
	}
	return out
}

// isServed reports whether the phone gets the file, from here or from a PBX.
func isServed(f provision.FileContent) bool {
	return f.Outcome == string(provision.Served) || f.Upstream != nil
}

// renderer returns who renders a file before and after a change.
func renderer(was, is provision.FileContent) string {
	name := func(f provision.FileContent) string {
		if f.Upstream == nil {
			return "plugtone"
		}
		return f.Upstream.Hosts
	}
	return "rendered by " + name(is) + " instead of " + name(was)
}

// file returns how a file differs. Bytes that are not rendered here are not shown.
func (x compare) file(change, name string, was, is []byte) File {
	out := File{Name: name, Change: change}
	if !x.count {
		out.Diff = Unified(name, was, is)
	}
	return out
}

// errNotRendered is the error about a file whose bytes are not made from the records.
var errNotRendered = errors.New("not rendered")

// masked returns a rendered file with secrets masked.
func masked(ctx context.Context, r Renderer, mac dhcp.MAC, name string) ([]byte, error) {
	f, err := r.File(ctx, mac, name, netip.Prefix{}, false)
	if err != nil {
		return nil, err
	}
	if f.Content != nil {
		return nil, errors.Join(errNotRendered, f.Content.Close())
	}
	return f.Body, nil
}

// Unified returns the lines that differ as a unified diff; "" when none do, or when one side is not text.
func Unified(name string, was, is []byte) string {
	if bytes.Equal(was, is) || bytes.IndexByte(was, 0) >= 0 || bytes.IndexByte(is, 0) >= 0 {
		return ""
	}
	out := diff.Diff(name+" (before)", was, name+" (after)", is)
	// The first line only repeats the names.
	if i := bytes.IndexByte(out, '\n'); bytes.HasPrefix(out, []byte("diff ")) && i >= 0 {
		out = out[i+1:]
	}
	return string(out)
}

// Affected returns the devices whose files may differ between the records of f and those after a change of them, by MAC. Some of
// them may stay the same. followers may be nil.
func Affected(f fleet.View, site *fleet.Site, c fleet.Change, followers Followers) ([]dhcp.MAC, error) {
	found := map[dhcp.MAC]bool{}
	for _, v := range []fleet.View{f, view{f, overlay(c)}} {
		if err := (affected{v, site, followers, found}).all(c); err != nil {
			return nil, fmt.Errorf("phones that a change affects: %w", err)
		}
	}
	for mac := range changedDevices(c) {
		found[mac] = true
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) }), nil
}
