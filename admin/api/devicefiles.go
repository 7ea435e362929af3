package api

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/merging"
	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/devicestatus"
	"plugtone/provision/diagnosis"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/timeline"
)

// deviceFiles has the operations on the files of a phone and its timeline.
type deviceFiles struct{ *core }

func (s deviceFiles) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/devices/{mac}/files", "list-device-files", "devices", "List the files that a phone would be given", access.Viewer), s.listFiles)
	get := access.Op(http.MethodGet, "/devices/{mac}/files/{name...}", "get-device-file", "devices", "Read one file as the phone would be given it", access.Viewer)
	get.Responses = map[string]*huma.Response{"200": {Description: "The file, with *** for secrets unless revealed",
		Content: map[string]*huma.MediaType{"application/octet-stream": {}}}}
	huma.Register(s.api, get, s.readFile)
	// OpenAPI lacks net/http's {name...} for the rest of the path.
	paths := s.api.OpenAPI().Paths
	paths["/api/v1/devices/{mac}/files/{name}"] = paths[get.Path]
	delete(paths, get.Path)
	huma.Register(s.api, access.Op(http.MethodGet, "/devices/{mac}/diff", "get-device-diff", "devices", "Compare what a phone fetched last with what it would get now", access.Viewer), s.diff)
	huma.Register(s.api, access.Op(http.MethodGet, "/devices/{mac}/timeline", "get-device-timeline", "devices", "Read what happened to a phone, newest last", access.Viewer), s.timeline)
}

// FilesInput is a phone and optionally a subnet.
type FilesInput struct {
	MACInput
	Subnet string `query:"subnet" doc:"subnet to render for; the phone's own when left out" example:"10.20.0.0/22"`
}

func (s deviceFiles) listFiles(ctx context.Context, in *FilesInput) (*struct{ Body client.Files }, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	subnet, err := s.ownSubnet("query.subnet", in.Subnet)
	if err != nil {
		return nil, err
	}
	files, err := s.Phones.Files(ctx, mac, subnet)
	if err != nil {
		return nil, problem.From(err)
	}
	if files == nil {
		files = []provision.FileInfo{}
	}
	for i := range files {
		files[i].Digest = s.digest(ctx, files[i].Digest)
	}
	return &struct{ Body client.Files }{client.Files{MAC: mac, Items: files}}, nil
}

type fileInput struct {
	FilesInput
	RevealInput
	Name string `path:"name" doc:"name of the file as the phone requests it; it may contain slashes" example:"001565123456.cfg"`
}

// Headers that describe the real file. The body of the answer may be masked.
const (
	headerDigest  = "Plugtone-Digest"  // SHA-256 of the real file, hexadecimal; for others than admins a stand-in
	headerSize    = "Plugtone-Size"    // bytes of the real file
	headerOutcome = "Plugtone-Outcome" // served, expected, not_found
	headerReason  = "Plugtone-Reason"  // why there is no file
	headerMasked  = "Plugtone-Masked"  // true: the body has *** for secrets
)

func (s deviceFiles) readFile(ctx context.Context, in *fileInput) (*huma.StreamResponse, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	subnet, err := s.ownSubnet("query.subnet", in.Subnet)
	if err != nil {
		return nil, err
	}
	if err := access.MayReveal(ctx, in.Reveal); err != nil {
		return nil, err
	}
	file, err := s.Phones.File(ctx, mac, in.Name, subnet, in.Reveal)
	if err != nil {
		return nil, problem.From(err)
	}
	closeFile := func() {
		if file.Content != nil {
			file.Content.Close()
		}
	}
	if provision.Outcome(file.Outcome) == provision.InternalError {
		closeFile()
		return nil, problem.From(fmt.Errorf("file %.100q of device %s: %s: %w", in.Name, mac, file.Reason, fleet.ErrInternal))
	}
	file.Digest = s.digest(ctx, file.Digest)
	if in.Reveal {
		if err := s.revealed(ctx, "device", mac.String()); err != nil {
			closeFile()
			return nil, problem.From(err)
		}
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer closeFile()
		if err := sendFile(c, file); err != nil && c.Context().Err() == nil {
			s.Log.Warn("send file", "mac", mac, "file", file.Name, "err", err)
		}
	}}, nil
}

// sendFile answers with a file, or with the reason why there is none.
func sendFile(c huma.Context, file provision.FileContent) error {
	for name, value := range map[string]string{
		headerOutcome: file.Outcome, headerReason: file.Reason, headerDigest: file.Digest,
		headerSize: fmt.Sprint(file.Size), headerMasked: fmt.Sprint(file.Masked),
	} {
		if value != "" {
			c.SetHeader(name, value)
		}
	}
	if file.Outcome != string(provision.Served) {
		// An expected 404 is not an error here: the pack declares that phones do without this file.
		c.SetStatus(http.StatusNoContent)
		return nil
	}
	// The type of the file is in another header, so that no browser interprets the bytes.
	c.SetHeader("Content-Type", "application/octet-stream")
	c.SetHeader("Plugtone-Media-Type", file.MediaType)
	c.SetStatus(http.StatusOK)
	var err error
	if file.Content != nil {
		_, err = io.Copy(c.BodyWriter(), file.Content)
	} else {
		_, err = c.BodyWriter().Write(file.Body)
	}
	return err
}

func (s deviceFiles) diff(ctx context.Context, in *MACInput) (*struct{ Body client.Diff }, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	fetches, err := s.Events.Fetches(mac)
	if err != nil {
		return nil, problem.From(err)
	}
	files, err := s.Phones.Files(ctx, mac, noPrefix)
	if err != nil {
		return nil, problem.From(err)
	}
	st, err := s.Phones.Status(ctx, mac)
	if err != nil {
		return nil, problem.From(err)
	}
	states := s.Phones.States()
	items := compare(fetches, files, func(f fleet.Fetch) devicestatus.File { return states.File(ctx, mac, f) })
	for i := range items {
		s.addLines(ctx, mac, &items[i])
		items[i].Digest, items[i].FetchedDigest = s.digest(ctx, items[i].Digest), s.digest(ctx, items[i].FetchedDigest)
	}
	return &struct{ Body client.Diff }{client.Diff{MAC: mac, Items: items, OnPhone: st.OnPhone}}, nil
}

// addLines adds the lines that differ in a changed file. What was fetched is rendered again from the records of that time.
func (s deviceFiles) addLines(ctx context.Context, mac dhcp.MAC, d *client.FileDiff) {
	if d.Change != "changed" || d.Note != "" {
		return
	}
	d.Note = "the lines are not known: the file depends on more than records, such as configuration and packs, or the changes since are not kept"
	back, err := impact.Past(s.Records, s.Changes, d.FetchedAt)
	if err != nil {
		s.Log.Warn("records of the past", "mac", mac, "err", err)
		return
	}
	past, err := s.Preview(impact.Records(s.Records, back))
	if err != nil {
		s.Log.Warn("renderer of the past", "mac", mac, "err", err)
		return
	}
	lines, ok := impact.Since(ctx, past, s.Phones, mac, d.Name, d.FetchedDigest)
	switch {
	case !ok:
	case lines == "":
		d.Note = "only secrets differ"
	default:
		d.Diff, d.Note = lines, ""
	}
}

// compare compares the last fetch of each file with what the phone would get now; again returns what the member of the cluster that a file
// is from would answer.
func compare(fetches []fleet.Fetch, files []provision.FileInfo, again func(fleet.Fetch) devicestatus.File) []client.FileDiff {
	out := []client.FileDiff{}
	last := make(map[string]fleet.Fetch, len(fetches))
	for _, f := range fetches {
		if name := fileKey(f.File); f.Time.After(last[name].Time) {
			last[name] = f
		}
	}
	for _, f := range files {
		if f.Outcome != string(provision.Served) && f.Upstream == nil {
			continue
		}
		d := client.FileDiff{Name: f.Name, Change: "never_fetched", Digest: f.Digest, Size: f.Size}
		if was, ok := last[fileKey(f.Name)]; ok {
			d.FetchedDigest, d.FetchedSize, d.FetchedAt = was.Digest, was.Size, was.Time
			d.Change = "changed"
			switch {
			case was.Digest == f.Digest:
				d.Change = "same"
			case f.Upstream == nil:
				if x := again(was); x.Served && x.Digest == was.Digest {
					d.Change, d.Note = "same", "from another member of the cluster, whose address it names"
				}
			}
			if f.Upstream != nil {
				d.Note = "rendered by " + f.Upstream.Hosts + ": compared with its last answer; the lines are not known here"
			}
			delete(last, fileKey(f.Name))
		}
		out = append(out, d)
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		was := last[name]
		out = append(out, client.FileDiff{Name: was.File, Change: "gone", FetchedDigest: was.Digest, FetchedSize: was.Size, FetchedAt: was.Time})
	}
	return out
}

// fileKey returns the same key for all spellings in which phones request a file.
func fileKey(name string) string { return strings.ToLower(strings.TrimLeft(name, "/")) }

// entries returns the timeline of a phone and what it has logged, in order of time.
func (s deviceFiles) entries(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	entries, err := s.Events.Timeline(mac, limit)
	if err != nil {
		return nil, err
	}
	lines, err := s.Events.PhoneLog(mac, limit)
	entries = append(entries, lines...)
	slices.SortStableFunc(entries, func(a, b timeline.Entry) int { return a.Time.Compare(b.Time) })
	return entries, err
}

func (s deviceFiles) timeline(ctx context.Context, in *struct {
	MACInput
	merging.Choice
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many of the newest entries, and how many of the newest lines that the phone has logged" example:"50"`
	Source string `query:"source" enum:"dhcp,tftp,http,https,sip,syslog,trust,admin" doc:"only entries of this source" example:"syslog"`
}) (*struct{ Body client.Timeline }, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	entries, err := s.entries(mac, in.Limit)
	if err != nil {
		return nil, problem.From(err)
	}
	out := client.Timeline{MAC: mac, Items: make([]timeline.Entry, 0, len(entries))}
	for _, e := range entries {
		out.Items = append(out.Items, s.publicEntry(ctx, e))
	}
	others := merging.Timeline(ctx, s.Members, in.Choice, &out, in.Limit)
	findings, err := s.Diagnose(ctx, mac, others)
	if err != nil {
		return nil, problem.From(err)
	}
	out.Diagnosis = append([]diagnosis.Finding{}, findings...)
	if in.Source != "" {
		out.Items = slices.DeleteFunc(out.Items, func(e timeline.Entry) bool { return e.Source != in.Source })
	}
	return &struct{ Body client.Timeline }{out}, nil
}
