package phone

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
)

// emptyRows is how many rows for further lines the form has.
const emptyRows = 1

type linesView struct {
	record.View
	Form       *page.Form
	Rows       []lineRow
	Registrars []string // more than one: a line may need to name its own
	Effect     *preview.Preview
}

// lineRow is one line of the form. N is its number in the names of the fields.
type lineRow struct {
	N         int
	Line      fleet.Line
	Extension fleet.Extension // as far as it exists
	Known     bool
	Position  page.Field
	Number    page.Field
	Registrar page.Field
	Label     page.Field
	On        page.Field
	Shared    page.Field
	New       bool
	Source    bool // the PBX source of the record owns it
}

func (s screen) lines(r *page.Request) error {
	h, _, err := record.LoadHead(r.Context(), s.API, r.PathValue("mac"), "lines", 1)
	if err != nil {
		return err
	}
	f := page.NewForm(lineValues(h.Device.Lines))
	f.Values.Set("etag", h.ETag)
	return s.showLines(r, &linesView{View: titled(h, "Lines"), Form: f})
}

// lineValues returns the values of the form for lines, and for the rows without one.
func lineValues(lines []fleet.Line) url.Values {
	v := url.Values{}
	for i, l := range lines {
		set := func(name, value string) { v.Set(fmt.Sprintf("l%d.%s", i, name), value) }
		set("was", strconv.Itoa(i))
		set("position", strconv.Itoa(l.Position))
		set("extension", l.Extension)
		set("registrar", l.Registrar)
		set("label", l.Label)
		set("on", check(l.On()))
		set("shared", check(l.Shared))
	}
	for i := range emptyRows {
		n := len(lines) + i
		v.Set(fmt.Sprintf("l%d.position", n), "")
		v.Set(fmt.Sprintf("l%d.extension", n), "")
		v.Set(fmt.Sprintf("l%d.on", n), "on")
	}
	v.Set("rows", strconv.Itoa(len(lines)+emptyRows))
	return v
}

func check(on bool) string {
	if on {
		return "on"
	}
	return ""
}

// rowCount returns how many rows the browser sent, 256 at most.
func rowCount(f *page.Form) int {
	n, err := strconv.Atoi(f.Get("rows"))
	if err != nil {
		return 0
	}
	return max(0, min(n, 256))
}

// readLines returns the lines of the form, and which row each is from.
func readLines(f *page.Form, had []fleet.Line) (lines []fleet.Line, rows []int) {
	for i := range rowCount(f) {
		get := func(name string) string { return f.Get(fmt.Sprintf("l%d.%s", i, name)) }
		if get("extension") == "" {
			continue
		}
		var l fleet.Line
		if was, err := strconv.Atoi(get("was")); err == nil && was >= 0 && was < len(had) {
			l = had[was] // its override stays
		}
		l.Extension, l.Registrar = fleet.ParseExtension(get("extension"))
		if l.Registrar == "" {
			l.Registrar = get("registrar")
		}
		l.Position = 0
		if n, err := strconv.Atoi(get("position")); err == nil {
			l.Position = n
		}
		l.Label, l.Shared, l.Enabled = get("label"), get("shared") != "", nil
		if get("on") == "" {
			off := false
			l.Enabled = &off
		}
		lines, rows = append(lines, l), append(rows, i)
	}
	for i := range lines {
		if lines[i].Position == 0 {
			lines[i].Position = freePosition(lines)
		}
	}
	return lines, rows
}

func freePosition(lines []fleet.Line) int {
	for n := 1; ; n++ {
		if !slices.ContainsFunc(lines, func(l fleet.Line) bool { return l.Position == n }) {
			return n
		}
	}
}

func (s screen) saveLines(r *page.Request) error {
	h, _, err := record.LoadHead(r.Context(), s.API, r.PathValue("mac"), "lines", 1)
	if err != nil {
		return err
	}
	f, err := r.Form()
	if err != nil {
		return err
	}
	v := &linesView{View: titled(h, "Lines"), Form: f}
	lines, rows := readLines(f, h.Device.Lines)
	fields := map[string]string{}
	for at, row := range rows {
		for _, m := range []string{"position", "extension", "registrar", "label"} {
			fields[fmt.Sprintf("lines[%d].%s", at, m)] = fmt.Sprintf("l%d.%s", row, m)
		}
	}
	api := s.API.Writing(client.Write{Message: f.Get("message"), DryRun: f.Get("step") == "preview"})
	_, err = api.Devices().Patch(r.Context(), h.Device.MAC.String(), map[string]any{"lines": lines}, f.Get("etag"))
	if v.Effect, err = preview.Tried(err, nil); err == nil && v.Effect == nil {
		r.Note("ok", "The lines were saved. "+record.Later)
		return r.Redirect("/phones/" + h.Device.MAC.String() + "/lines")
	}
	err = f.FailWrite(err, fields, h.ETag, func() *page.Conflict {
		return page.Compare("", url.Values{"lines": {lineText(lines)}}, url.Values{"lines": {lineText(h.Device.Lines)}}, "lines=Lines")
	})
	if err != nil {
		return err
	}
	return s.showLines(r, v)
}

func lineText(lines []fleet.Line) string {
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = fmt.Sprintf("%d: %s", l.Position, l)
		if l.Label != "" {
			texts[i] += " “" + l.Label + "”"
		}
		if !l.On() {
			texts[i] += " (off)"
		}
	}
	return strings.Join(texts, ", ")
}

func (s screen) showLines(r *page.Request, v *linesView) error {
	all, err := s.API.Registrars().All(r.Context(), nil)
	if err != nil {
		return err
	}
	for _, x := range all {
		v.Registrars = append(v.Registrars, x.Name)
	}
	for i := range rowCount(v.Form) {
		v.Rows = append(v.Rows, s.lineRow(r, v, i))
	}
	return s.RenderStatus(r, v.Form.Status, "lines", v)
}

func (s screen) lineRow(r *page.Request, v *linesView, i int) lineRow {
	f, name := v.Form, func(m string) string { return fmt.Sprintf("l%d.%s", i, m) }
	row := lineRow{N: i, New: f.Values.Get(name("was")) == ""}
	at := fmt.Sprintf(" of row %d", i+1)
	row.Position = f.Number(name("position"), "Position"+at)
	row.Number = f.Text(name("extension"), "Extension"+at)
	row.Label = f.Text(name("label"), "Label"+at)
	row.On = f.Check(name("on"), "In use"+at)
	row.Shared = f.Check(name("shared"), "Shared"+at)
	options := []page.Option{{Value: "", Text: "automatic"}}
	for _, x := range v.Registrars {
		options = append(options, page.Option{Value: x, Text: x})
	}
	row.Registrar = f.Select(name("registrar"), "Registrar"+at, options)
	if was, err := strconv.Atoi(f.Get(name("was"))); err == nil && was >= 0 && was < len(v.Device.Lines) {
		row.Line = v.Device.Lines[was]
		row.Source = v.OwnedBySource(fleet.LineMember(row.Line.Position))
		if x, _, err := s.API.Extensions().Get(r.Context(), row.Line.String(), false); err == nil {
			row.Extension, row.Known = x, true
		}
	}
	return row
}
