package vendors_test

import (
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
)

// identifyRow is a row of testdata/identify.csv: what phones of all vendors are known to show. origin is quoted (seen in
// the wild or in a manual), constructed (made by a rule that a source states) or synthetic (made up to fit a guess).
type identifyRow struct {
	line                                            int
	vendor, kind, value, model, firmware, mac, from string
}

func identifyRows(t *testing.T) []identifyRow {
	t.Helper()
	f, err := os.Open("testdata/identify.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []identifyRow
	for i, r := range rows[1:] {
		value, err := strconv.Unquote(`"` + strings.ReplaceAll(r[2], `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("testdata/identify.csv:%d: %q: %v", i+2, r[2], err)
		}
		out = append(out, identifyRow{i + 2, r[0], r[1], value, r[3], r[4], r[5], r[6]})
	}
	return out
}

// Every row is recognised as its vendor's, with its model, firmware and MAC where it has them, or is listed under
// otherwise with the reason.
func TestPhonesOfTheTableAreRecognised(t *testing.T) {
	s := load(t)
	for _, r := range identifyRows(t) {
		if _, ok := s.Vendor(r.vendor); !ok && r.vendor != "cisco" {
			t.Errorf("testdata/identify.csv:%d: no pack %q", r.line, r.vendor)
			continue
		}
		err := r.try(s)
		why, excused := otherwise[r.kind+" "+r.value]
		switch {
		case err != "" && !excused:
			t.Errorf("testdata/identify.csv:%d: %s %s %q: %s", r.line, r.from, r.kind, r.value, err)
		case err == "" && excused:
			t.Errorf("testdata/identify.csv:%d: %q is recognised now, and needs no excuse (%s)", r.line, r.value, why)
		}
	}
}

// otherwise are the rows that are not recognised as they say, with the reason.
var otherwise = map[string]string{
	"user_agent FileTransport PolycomSoundStationIP-SSIP_6000-UA/5.0.3.1667 Type/Updater":          "the version is the updater's, not the firmware's",
	"user_agent Grandstream GXP2000 (gxp2000e.bin:1.2.5.3/boot55e.bin:1.1.6.9) DevId 000b822726c8": "the pack reads the program's version, the row has the boot loader's",
	"user_agent AUDC-IPPhone/2.2.8.61 (440HDG-Rev0; 00908F602AAC)":                                 "-Rev0 is the board's revision; the pack has the model without it",
	"user_agent AVAYA/SIP12x0?/04.00.04.00":                                                        "12x0? names no one model",
	"user_agent Flyingvoice FIP13G V0.6.24 00:21:F2:22:AE:F1":                                      "the pack leaves out the letter before the version",
	"user_agent Algo-8301/5.5":                                                                     "a guess: no source shows this user agent",
	"option60 C590_IP":                                                                             "a home base, which takes its configuration from its maker's server alone",
	"filename ATA002699EF0F1A.cnf.xml":                                                             "the ATA 190 of the enterprise line, which no pack serves",
	"filename f0A25hw1.100.cfg":                                                                    "two packs claim the name, so that it identifies neither vendor nor model",
	"oui 64167f123456":                                                                             "a prefix that Polycom registered and Obihai's later devices bear too",
	"oui 482567123456":                                                                             "a prefix that Polycom registered and Obihai's later devices bear too",
	"oui 0001e3123456":                                                                             "a prefix of Siemens, which bears much that is no phone",
	"oui 0013a3123456":                                                                             "a prefix of Siemens, which bears much that is no phone",
	"oui 000b23123456":                                                                             "a prefix of Siemens, which bears much that is no phone",
	"oui 0018d1123456":                                                                             "a prefix of Siemens, which bears much that is no phone",
}

func (r identifyRow) try(s *pack.Set) string {
	if r.kind == "filename" {
		return r.tryName(s)
	}
	rec := packcheck.Recognition{Kind: r.kind, Value: r.value}
	e, err := rec.Evidence()
	if err != nil {
		return err.Error()
	}
	id := s.Identify(e)
	if r.vendor == "cisco" && strings.HasPrefix(id.Vendor, "cisco-") {
		return ""
	}
	if id.Vendor != r.vendor {
		return "recognised as " + strconv.Quote(id.Vendor) + " " + id.Reason
	}
	if r.model != "" && !alike(id.ReportedModel, r.model) && !alike(id.Model, r.model) {
		if v, _ := s.Vendor(r.vendor); !sameModel(v, id, r.model) {
			return "the model is " + strconv.Quote(id.ReportedModel) + ", not " + strconv.Quote(r.model)
		}
	}
	if r.firmware != "" && !alike(id.Firmware, r.firmware) {
		return "the firmware is " + strconv.Quote(id.Firmware) + ", not " + strconv.Quote(r.firmware)
	}
	if want, err := dhcp.ParseMAC(r.mac); err == nil && id.MAC != want {
		return "the MAC is " + id.MAC.String() + ", not " + r.mac
	}
	return ""
}

func sameModel(v *pack.Vendor, id pack.Identity, name string) bool {
	m, ok := v.Model(name)
	return ok && m.Name == id.Model
}

// alike compares without the characters that vendors write one way here and another there.
func alike(a, b string) bool {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(s))
	}
	return plain(a) == plain(b)
}

// tryName requests the name: names may belong to several vendors, of whom the row's must be one.
func (r identifyRow) tryName(s *pack.Set) string {
	var others []string
	for _, m := range s.Resolve(r.value) {
		if m.Vendor != r.vendor {
			others = append(others, m.Vendor)
			continue
		}
		if want, err := dhcp.ParseMAC(r.mac); err == nil && m.MAC != want {
			return "the MAC is " + m.MAC.String() + ", not " + r.mac
		}
		if v, _ := s.Vendor(r.vendor); r.model != "" && !r.tellsModel(v, m) && !r.identifiedModel(s) {
			return "the name belongs to the models " + strings.Join(m.Models, ", ") + ", not " + strconv.Quote(r.model)
		}
		return ""
	}
	id := s.Identify(pack.Evidence{FileName: r.value})
	if id.Vendor == r.vendor {
		if r.model != "" && !r.identifiedModel(s) {
			return "the model is " + strconv.Quote(id.ReportedModel) + ", not " + strconv.Quote(r.model)
		}
		return ""
	}
	return "no file of " + r.vendor + "'s (others: " + strings.Join(others, ", ") + "), and recognised as " + strconv.Quote(id.Vendor)
}

// tellsModel reports whether the row's model is among those whose file this is. Names leave out what all models begin with
// here and there: spa504G.cfg.
func (r identifyRow) tellsModel(v *pack.Vendor, m phonefile.Match) bool {
	model, ok := v.Model(r.model)
	return slices.ContainsFunc(m.Models, func(name string) bool {
		return ok && name == model.Name || strings.HasSuffix(strings.ToLower(name), strings.ToLower(r.model))
	})
}

func (r identifyRow) identifiedModel(s *pack.Set) bool {
	id := s.Identify(pack.Evidence{FileName: r.value})
	v, _ := s.Vendor(r.vendor)
	return alike(id.ReportedModel, r.model) || alike(id.Model, r.model) || v != nil && sameModel(v, id, r.model)
}

// Names that some firmware or an earlier server's files request.
func TestNamesOfOtherFirmwareAreAnswered(t *testing.T) {
	s := load(t)
	for name, want := range map[string]string{
		"0004f2123456-registration.cfg": "polycom device", "0004f2123456-sip.cfg": "polycom device", "features.cfg": "polycom none",
		"y000000000108.boot": "yealink none", "000413123456.htm": "snom device", "1001_Extern.xml": "escene device", "1001_Phonebook.xml": "escene private",
		"Digium/000fd3123456.cfg": "digium device", "1001/cfg000b82123456.xml": "grandstream device",
	} {
		found := false
		for _, m := range s.Resolve(name) {
			found = found || m.Vendor+" "+string(m.Kind) == want
		}
		if !found {
			t.Errorf("%s is not a file of %s", name, want)
		}
	}
}
