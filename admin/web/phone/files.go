package phone

import (
	"io"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
	"plugtone/provision"
)

// shownBytes is how much of a file the screen shows.
const shownBytes = 256 << 10

type filesView struct {
	record.View
	Files  []fileRow
	Gone   []client.FileDiff // fetched, and not given any more
	Chosen *fileRow
	Text   string
	Masked bool
	Cut    bool // the file is longer than what is shown
	Binary bool
	Reveal bool
	URL    string // address that the phone is sent to
	Trust  string
}

// fileRow is a file with how the last fetch compares.
type fileRow struct {
	provision.FileInfo
	Diff client.FileDiff
}

// Served reports whether the phone is given the file.
func (f fileRow) Served() bool { return f.Outcome == string(provision.Served) }

// Failed reports whether there is no file because of an error.
func (f fileRow) Failed() bool { return f.Outcome == string(provision.InternalError) }

func (s screen) files(r *page.Request) error {
	ctx := r.Context()
	h, _, err := record.LoadHead(ctx, s.API, r.PathValue("mac"), "files", 1)
	if err != nil {
		return err
	}
	v := &filesView{View: titled(h, "Files")}
	mac := h.Device.MAC.String()
	x, err := s.API.Explain(ctx, client.ExplainRequest{MAC: mac})
	if err != nil {
		return err
	}
	v.URL, v.Trust = x.URL, x.Trust
	d, err := s.API.Diff(ctx, mac)
	if err != nil {
		return err
	}
	diffs := map[string]client.FileDiff{}
	for _, f := range d.Items {
		if f.Change == "gone" {
			v.Gone = append(v.Gone, f)
			continue
		}
		diffs[f.Name] = f
	}
	name := r.URL.Query().Get("file")
	for _, f := range x.Files {
		row := fileRow{f, diffs[f.Name]}
		v.Files = append(v.Files, row)
		if f.Name == name {
			v.Chosen = &row
		}
	}
	if v.Chosen != nil && v.Chosen.Served() {
		v.Reveal = r.URL.Query().Get("reveal") == "on"
		if err := s.readFile(r, v, mac); err != nil {
			return err
		}
	}
	return s.Render(r, "files", v)
}

// readFile reads the beginning of the chosen file.
func (s screen) readFile(r *page.Request, v *filesView, mac string) error {
	f, err := s.API.File(r.Context(), mac, v.Chosen.Name, "", v.Reveal)
	if err != nil {
		return err
	}
	defer f.Body.Close()
	b, err := io.ReadAll(io.LimitReader(f.Body, shownBytes+1))
	if err != nil {
		return err
	}
	if len(b) > shownBytes {
		b, v.Cut = b[:shownBytes], true
	}
	v.Masked = f.Masked
	if v.Binary = binary(b); !v.Binary {
		v.Text = string(b)
	}
	return nil
}

// binary reports whether bytes are no text.
func binary(b []byte) bool {
	for _, c := range b[:min(len(b), 4096)] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' {
			return true
		}
	}
	return false
}
