package importing_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/admin/web/webtest"
	"plugtone/dhcp"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestATableIsMappedCheckedAndApplied(t *testing.T) {
	s := webtest.New(t)
	var table strings.Builder
	table.WriteString("MAC address;Device type;Person;Ext.;Room;Asset\n")
	for i := range 12 {
		fmt.Fprintf(&table, "0015650200%02d;yealink/T46U;Guest %d;%d;3.%d;A-%d\n", i, i, 1001+i, i, 4000+i)
	}
	b := s.As(t, "operator")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/import")
	b.Check("start")
	b.Upload("#f-file", file(t, "phones.csv", table.String()))
	b.Click("form .button.primary")
	b.WaitText(`.verdicts .chip:has([value="new"])`, "12")
	b.WaitText(".verdicts tbody tr:nth-child(12)", "row 13")
	b.WaitText(".previewed", "12 phones get other files")
	b.WaitFor(`document.querySelector("[aria-label='Column Room is read as']").value == "location" && document.querySelector("[aria-label='Column Asset is read as']").value == "-"`)
	b.Check("review")
	b.Choose("[aria-label='Column Asset is read as']", "notes")
	b.Click("button[formaction='/import']")
	b.Gone(".mapping .badge") // all columns are decided now
	b.WaitFor(`document.querySelector("[aria-label='Column Asset is read as']").value == "notes"`)
	b.Type("#f-message", "guest rooms")
	b.Click("input[value=waves]")
	b.Check("waves")
	b.Click("aside .button.primary")
	b.WaitText(".note.ok", "12 new, 0 changed, 0 the same")
	b.WaitText("main", "guest rooms")
	b.Wait(`a[href$="/undo"]`)
	mac, err := dhcp.ParseMAC("001565020003")
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := s.API.Devices().Get(t.Context(), mac.String(), false)
	if err != nil || d.Label != "Guest 3" || d.Location != "3.3" || d.Notes != "A-4003" || len(d.Lines) != 1 {
		t.Errorf("%+v, %v", d.Device, err)
	}
}

func TestEachFaultyRowIsNamed(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Scheme("light") // with reduced motion: a click during the transition to a page is lost
	b.Open("/import")
	b.Upload("#f-file", file(t, "phones.csv", "mac,model,line1\n001565030001,yealink/T46U,1001\n00156503000,yealink/T46U,1002\n001565030003,yealink/T99,1003\n001565030004,yealink/T46U,7777\n"))
	b.Click("form .button.primary")
	b.WaitText(".banner.bad", "3 problems; nothing was changed")
	for _, row := range []string{"row 3", "row 4", "row 5"} {
		b.WaitText(".faulty-rows th", row)
	}
	if b.Has("button[formaction='/import/apply'], input[name=message]") {
		t.Error("a file with faulty rows can be applied")
	}
	b.Check("faulty")
	b.Open("/import")
	b.Upload("#f-file", file(t, "fleet.yaml", "devices:\n  - mac: 001565030001\n    model: yealink/T46U\n    labl: Desk\n"))
	b.Click("form .button.primary")
	b.WaitText(".faulty-rows", "line 4")
	if _, _, err := s.API.Devices().Get(t.Context(), "00:15:65:03:00:01", false); err == nil {
		t.Error("a device was created by a file that is faulty")
	}
}

func TestAFileIsPastedWithoutScripts(t *testing.T) {
	p := webtest.New(t).Plain(t, "operator")
	p.Open("/import")
	p.Send("/import", nil)
	p.Sees("choose a file, or paste one")
	p.Send("/import", url.Values{"text": {"devices:\n  - mac: 001565030001\n    model: yealink/T46U\n    label: Lobby\n"}})
	p.Sees("New 1")
	p.Send("/import/apply", nil)
	p.Sees("1 new, 0 changed, 0 the same")
	p.Open("/phones?q=lobby")
	p.Sees("1 phone")
}

// TestEachRowHasItsVerdict: new, changed, same and conflicting rows are told apart, by words and by a filter.
func TestEachRowHasItsVerdict(t *testing.T) {
	s := webtest.New(t)
	same, changed := webtest.Phone(0), webtest.Phone(1)
	rows := "mac,model,label,reserved_ip\n" + same.String() + ",yealink/T46U,Amelia Wright,\n" + changed.String() + ",yealink/T54W,Another name,\n001565030001,yealink/T46U,Lobby,\n"
	b := s.As(t, "operator")
	b.Open("/import")
	b.Upload("#f-file", file(t, "phones.csv", rows))
	b.Click("form .button.primary")
	b.WaitText(`.verdicts .chip:has([value="same"])`, "1")
	for row, want := range map[string]string{"v-same": "row 2", "v-changed": "row 3", "v-new": "row 4"} {
		b.WaitText("tr."+row, want)
	}
	b.Check("verdicts")
	b.Click(`.chip:has([value="changed"])`)
	b.WaitFor(`[...document.querySelectorAll(".verdicts tbody tr")].filter(r => r.offsetHeight > 0).length == 1`)
	b.Open("/import")
	b.Upload("#f-file", file(t, "phones.csv", rows+"001565030001,yealink/T46U,Lobby again,\n"))
	b.Click("form .button.primary")
	b.WaitText(".banner.bad", "1 row conflicts")
	b.WaitText("tr.v-conflict", "is in row 4 already")
	if b.Has("button[formaction='/import/apply'], aside textarea[name=message]") {
		t.Error("a file with a conflict can be applied")
	}
	b.Check("conflict")
}

// TestAFileReplacesAllOthers: what a file does not have is removed on request only, and after saying how much that is.
func TestAFileReplacesAllOthers(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open("/import")
	b.Upload("#f-file", file(t, "phones.csv", "mac,model,label\n"+webtest.Phone(0).String()+",yealink/T46U,The last one\n"))
	b.Click("form .button.primary")
	b.WaitText(`.verdicts .chip:has([value="changed"])`, "1")
	b.Click("#f-prune")
	b.Click("aside .button.primary") // applies what was not checked
	b.WaitText(".note.warn", "The choices changed since the check")
	b.WaitText(".banner.bad", "prune would remove 47 of 48 devices")
	b.Click("#f-yes")
	b.Click("button[formaction='/import']")
	b.WaitText(`.verdicts .chip:has([value="deleted"])`, "47")
	b.WaitText(".previewed", "phones")
	b.Check("prune")
	b.Click("aside .button.primary")
	b.WaitText(".note.ok", "0 new, 1 changed, 0 the same, 47 removed")
	list, err := s.API.Devices().All(t.Context(), nil)
	if err != nil || len(list) != 1 {
		t.Errorf("%d devices, %v", len(list), err)
	}
}

func TestAViewerImportsNothing(t *testing.T) {
	p := webtest.New(t).Plain(t, "viewer")
	p.Open("/import")
	p.Sees("Importing needs the role operator")
}
