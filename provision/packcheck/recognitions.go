package packcheck

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/pack"
)

// Recognition is one row of testdata/recognise.csv.
type Recognition struct {
	Kind, Value, Model, Firmware, MAC, Origin string
}

// Recognitions reads testdata/recognise.csv of a pack's folder.
func Recognitions(fsys fs.FS) ([]Recognition, error) {
	data, err := fs.ReadFile(fsys, "testdata/recognise.csv")
	if err != nil {
		return nil, err
	}
	const head = "kind,value,model,firmware,mac,origin"
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	var pe *csv.ParseError
	switch {
	case errors.As(err, &pe):
		return nil, fmt.Errorf("testdata/recognise.csv:%d: %w", pe.Line, pe.Err)
	case err != nil:
		return nil, err
	case len(rows) == 0 || strings.Join(rows[0], ",") != head:
		return nil, errors.New("testdata/recognise.csv:1: the first line is not " + head)
	}
	var out []Recognition
	for i, r := range rows[1:] {
		if len(r) != strings.Count(head, ",")+1 {
			return nil, fmt.Errorf("testdata/recognise.csv:%d: %d fields; a row is %s", i+2, len(r), head)
		}
		if !slices.Contains([]string{"quoted", "constructed", "synthetic"}, r[5]) {
			return nil, fmt.Errorf("testdata/recognise.csv:%d: origin %q must be one of quoted, constructed, synthetic", i+2, r[5])
		}
		out = append(out, Recognition{r[0], strings.ReplaceAll(r[1], `\x00`, "\x00"), r[2], r[3], r[4], r[5]})
	}
	return out, nil
}

// Evidence returns the evidence of a row.
func (r Recognition) Evidence() (pack.Evidence, error) {
	var e pack.Evidence
	into := map[string]*string{"option60": &e.VendorClass, "user_agent": &e.UserAgent, "hostname": &e.Hostname, "filename": &e.FileName,
		"option43": &e.VendorInfo, "option77": &e.UserClass, "option124": &e.VIVC, "option125": &e.VIVSO}[r.Kind]
	if into != nil {
		*into = r.Value
		return e, nil
	}
	if r.Kind == "oui" {
		mac, err := dhcp.ParseMAC(r.Value)
		e.MAC = mac
		return e, err
	}
	return e, fmt.Errorf("kind %q must be one of option60, user_agent, hostname, filename, oui", r.Kind)
}

// Recognise returns in which way a row is not recognised as it states; nil when it is.
func Recognise(s *pack.Set, vendor string, r Recognition) error {
	e, err := r.Evidence()
	if err != nil {
		return err
	}
	if r.Kind == "filename" {
		for _, m := range s.Resolve(r.Value) {
			if m.Vendor == vendor && (r.Model == "" || m.Model == r.Model) && (r.MAC == "" || m.MAC.String() == r.MAC) {
				return nil
			}
		}
	}
	id := s.Identify(e)
	if id.Vendor == "" {
		return fmt.Errorf("%s %q is not recognised", r.Kind, r.Value)
	}
	if id.Vendor != vendor || id.ReportedModel != r.Model && id.Model != r.Model || id.Firmware != r.Firmware {
		return fmt.Errorf("%s %q: recognised as %s %q firmware %q, want %s %q firmware %q", r.Kind, r.Value, id.Vendor, id.ReportedModel, id.Firmware, vendor, r.Model, r.Firmware)
	}
	if r.MAC == "" {
		return nil
	}
	want, err := dhcp.ParseMAC(r.MAC)
	if err == nil && id.MAC != want {
		err = fmt.Errorf("%s %q: MAC %s, want %s", r.Kind, r.Value, id.MAC, r.MAC)
	}
	return err
}
