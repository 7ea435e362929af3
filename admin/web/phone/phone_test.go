package phone_test

import (
	"net/url"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/admin/web/webtest"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// path returns the address of phone i of the office.
func path(i int, tab string) string { return "/phones/" + webtest.Phone(i).String() + tab }

func TestTimelineIsFilteredAndGoesOnLive(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "viewer")
	b.Open(path(11, "")) // refused
	b.WaitText(".diagnosis", "lease")
	b.WaitText(".page-head .state", "Refused")
	b.Check("timeline")
	if n := b.Count(".page-head .actions"); n != 0 {
		t.Errorf("a viewer has %d groups of actions", n)
	}
	b.Click(`.chip[href*="source=dhcp"]`)
	b.WaitFor(`location.search == "?source=dhcp" && document.querySelectorAll("#entries li").length == 2`)
	b.Click(`#entries li:last-child summary`)
	b.WaitText("#entries li:last-child dl", "offered")
	b.Open(path(11, ""))
	n := b.Count("#entries li")
	// The stream is open once the entry arrives; until then it is sent again.
	for range 5000 {
		s.Feed.Publish(timeline.Entry{Time: admintest.Noon, MAC: webtest.Phone(11), Source: "tftp", Event: "get", Verdict: "served", File: "new.cfg", Bytes: 12})
		if b.Count("#entries li.fresh") > 0 {
			break
		}
		webtest.Drawn(b)
	}
	b.WaitText("#entries li.fresh", "It fetched new.cfg")
	if got := b.Count("#entries li"); got <= n {
		t.Errorf("%d entries, %d before", got, n)
	}
}

func TestLinesAreEditedWithTheirEffectAndBothVersions(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open(path(0, "/lines"))
	b.WaitText("tbody", "Amelia Wright")
	b.Check("lines")
	b.Type(`[name="l1.extension"]`, "1010")
	b.Type(`[name="l1.label"]`, "Second")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect .diff", "1010")
	b.Check("effect")
	b.Click(`button[value="save"]`)
	b.WaitText(".notes", "saved")
	b.WaitFor(`document.querySelectorAll("tbody tr").length == 3`)
	b.Type(`[name="l2.extension"]`, "4711")
	b.Click(`button[value="save"]`)
	b.WaitText(".field.bad .problem", "no such extension")
	b.Check("problem")

	other := s.As(t, "admin")
	other.Open(path(0, "/lines"))
	other.Wait(`[name="l1.label"]`)
	b.Open(path(0, "/lines"))
	b.Type(`[name="l1.label"]`, "Mine")
	other.Type(`[name="l1.label"]`, "Theirs")
	other.Click(`button[value="save"]`)
	other.WaitText(".notes", "saved")
	b.Click(`button[value="save"]`)
	b.WaitText(".conflict ins", "Mine")
	b.WaitText(".conflict del", "Theirs")
	b.Check("conflict")
}

func TestSettingsHaveOriginsAndAreOverridden(t *testing.T) {
	b := webtest.New(t).As(t, "operator")
	b.Open(path(0, "/settings"))
	b.WaitText("tbody", "profile reception")
	b.Check("settings")
	b.Click(`a[href*="edit=language"]`)
	b.Wait(`#edit`)
	b.Check("override")
	b.Type("#f-value", "fr")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect .diff", "French")
	b.Click(`button[value="save"]`)
	b.WaitText(".notes", "language was saved")
	b.WaitText("tr.own", "fr")
	b.Click(`tr.own a[href*="edit=language"]`)
	b.Type("#f-value", "klingon-language")
	b.Click(`button[value="save"]`)
	b.Wait("#f-value-problem")
	b.Click(`button[value="reset"]`)
	b.WaitText(".notes", "own value of language was removed")
}

func TestWhatWasChangedOnThePhoneIsShown(t *testing.T) {
	s := webtest.New(t)
	s.Upload(t, 0, webtest.Phone(0).Hex()+"-local.cfg", "phone_setting.ring_type = Ring3.wav\nstatic.security.user_password = geheim\n")
	b := s.As(t, "viewer")
	b.Open(path(0, "/settings"))
	b.WaitText(".on-phone", "Ring3.wav")
	b.WaitText(".on-phone", "***")
	b.Check("on-phone")
	b.Open(path(6, "/settings"))
	b.WaitText("tbody", "language")
	if b.Has(".on-phone") {
		t.Error("a phone that uploaded nothing has changes")
	}
}

func TestFilesAreShownMaskedAndCompared(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	cfg := webtest.Phone(0).Hex() + ".cfg"
	b.Open(path(0, "/files"))
	b.WaitText(".files", "Up to date")
	b.Click(`a[href*="` + cfg + `"]`)
	b.WaitText(".file-view", "account.1.user_name = 1001")
	b.WaitText(".file-view", "account.1.password = ***")
	b.Check("files")
	if b.Count(`a[href*="reveal"]`) > 0 {
		t.Error("an operator is offered secrets")
	}
	b.Open(path(0, "/files?file="+cfg+"&reveal=on"))
	b.WaitText("h1", "Not allowed")

	if _, err := s.API.Devices().Patch(t.Context(), webtest.Phone(0).String(), map[string]any{"label": "Other", "settings": map[string]any{"language": "fr"}}, ""); err != nil {
		t.Fatal(err)
	}
	a := s.As(t, "admin")
	a.Open(path(0, "/files"))
	a.WaitText(".files", "Differs")
	a.Click(`a[href*="` + cfg + `"]`)
	a.Click(`a[href*="reveal"]`)
	a.WaitText(".file-view", "s3cret-1001")

	b.Open(path(0, "/history"))
	b.WaitText(".revision .members", "settings.language")
	b.Check("history")
	b.Click(`.revision:first-child a[href*="do/undo"]`)
	b.WaitText(".effect", "1 phone gets other files")
	b.Check("undo")
	b.Click(`button[value="do"]`)
	b.WaitText(".notes", "undone")
	b.Open(path(0, "/files"))
	b.WaitText(".files", "Up to date")
	b.Open(path(0, "/history"))
	b.Click(`.revision:nth-child(2) a[href*="do/restore"]`)
	b.Click(`button[value="do"]`)
	b.WaitText(".notes", "is what it was")
}

// choose opens an action of phone i by the menu of its screen.
func choose(b *webtest.Tab, i int, action string) {
	b.Open(path(i, ""))
	b.Click(".page-head .menu.drop summary")
	b.Click(`.page-head a[href*="do/` + action + `"]`)
	b.WaitFor(`location.pathname.endsWith("` + action + `")`)
}

func TestEveryActionShowsItsEffectFirst(t *testing.T) {
	b := webtest.New(t).As(t, "operator")
	b.Open(path(0, ""))
	b.Click(".page-head .menu.drop summary")
	b.Check("menu")
	b.Click(`.page-head a[href*="do/resync"]`)
	b.WaitText(".planned", "10.20.1.10:5060")
	b.Check("resync")
	b.Click(`button[value="do"]`)
	b.WaitText("#job", "about to be notified")
	b.Check("job")

	choose(b, 0, "disable")
	b.WaitText(".effect", "1 phone gets other files")
	b.Check("disable")
	b.Click(`button[value="do"]`)
	b.WaitText(".page-head .state", "Disabled")
	choose(b, 0, "enable")
	b.Click(`button[value="do"]`)
	b.WaitText(".notes", "enabled")

	choose(b, 0, "reassign")
	b.Type("#f-extension", "1010")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect .diff", "1010")
	b.Check("reassign")
	b.Click(`button[value="do"]`)
	b.WaitText(".page-head h1", "Oliver Schmidt")

	choose(b, 0, "replace")
	b.Type("#f-by", "00:15:65:99:00:01")
	b.Type("#f-model", "yealink/T31P")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect", "1 thing is lost")
	b.Check("replace")
	b.Click(`button[value="do"]`)
	b.WaitFor(`location.pathname == "/phones/00:15:65:99:00:01"`)
}

func TestPhonesAreSwappedCopiedEnrolledAndDeleted(t *testing.T) {
	b := webtest.New(t).As(t, "operator")
	choose(b, 2, "swap")
	b.Type("#f-with", webtest.Phone(4).String())
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect", "2 phones get other files")
	b.Check("swap")
	b.Click(`button[value="do"]`)
	b.WaitText(".page-head h1", "Mia Hoffmann")

	choose(b, 2, "copy")
	b.Type("#f-to", "nonsense")
	b.Click(`button[value="preview"]`)
	b.Wait("#f-to-problem")
	b.Type("#f-to", "00:04:13:99:00:01")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect", "new")
	b.Click(`button[value="do"]`)
	b.WaitFor(`location.pathname == "/phones/00:04:13:99:00:01"`)

	choose(b, 2, "enroll")
	b.Check("enroll")
	b.Click(`button[value="do"]`)
	b.WaitText(".notes", "without proof until")

	choose(b, 2, "delete")
	b.WaitText(".effect", "no files any more")
	b.Check("delete")
	b.Click(`button[value="do"]`)
	b.WaitFor(`location.pathname == "/phones"`)
}

func TestTwoBrowsersEditOnePhone(t *testing.T) {
	s := webtest.New(t)
	b, other := s.As(t, "operator"), s.As(t, "admin")
	for _, x := range []*webtest.Tab{b, other} {
		x.Open(path(6, "/do/edit"))
		x.Wait("#f-label")
	}
	other.Type("#f-label", "Theirs")
	other.Click(`button[value="do"]`)
	other.WaitText("h1", "Theirs")
	b.Type("#f-label", "Mine")
	b.Click(`button[value="do"]`)
	b.WaitText(".conflict ins", "Mine")
	b.WaitText(".conflict del", "Theirs")
	b.WaitText(".conflict", "by admin")
	b.Check("conflict")
	b.Click(`button[value="do"]`)
	b.WaitText("h1", "Mine")

	b.Open("/phones/new")
	b.Check("new")
	b.Type("#f-mac", "00:15:65:99:00:09")
	b.Type("#f-model", "yealink/T46X")
	b.Type("#f-line1", "1003")
	b.Click("form.act button.primary")
	b.Wait("#f-model-problem")
	b.Type("#f-model", "yealink/T46U")
	b.Click("form.act button.primary")
	b.WaitText(".notes", "Plug it in")

	v := s.As(t, "viewer")
	for _, at := range []string{"/phones/new", path(6, "/do/delete")} {
		v.Open(at)
		v.WaitText("h1", "Not allowed")
	}
	v.Open(path(6, "/lines"))
	v.WaitText("tbody", "1007")
	if v.Count("main input, main button.primary") > 0 {
		t.Error("a viewer has a form of lines")
	}
}

func TestLinesAndActionsWorkWithoutScripts(t *testing.T) {
	b := webtest.New(t).Plain(t, "operator")
	b.Open(path(0, "/lines"))
	b.Send(path(0, "/lines"), url.Values{"l1.extension": {"1010"}, "step": {"preview"}})
	b.Sees("account.2.user_name = 1010")
	b.Send(path(0, "/lines"), url.Values{"step": {"save"}})
	b.Sees("The lines were saved")
	b.Follow("Disable")
	b.Sees("1 phone gets other files")
	b.Send(path(0, "/do/disable"), url.Values{"step": {"do"}})
	b.Sees("The phone is disabled")
}

func TestMembersOfAPBXSourceAreNotEdited(t *testing.T) {
	s := webtest.New(t)
	mac := webtest.Phone(0)
	err := s.Records.Edit("pbx:main", "sync", func(e fleet.Edit) error {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		d.Source, d.SourceMembers = "main", []string{"label", "lines.1", "settings.language"}
		return e.PutDevice(d)
	})
	if err != nil {
		t.Fatal(err)
	}
	b := s.As(t, "operator")
	b.Open(path(0, "/lines"))
	b.WaitText(".page-head", "from PBX main")
	b.WaitText(".from-source", "from PBX")
	b.Type(`[name="l1.extension"]`, "1010") // a further line is the operator's
	b.Check("lines")
	b.Click(`button[value="save"]`)
	b.WaitText(".notes", "saved")
	b.Open(path(0, "/settings"))
	b.WaitText("tbody", "from PBX")
	if b.Count(`a[href*="edit=language"]`) > 0 {
		t.Error("a setting of the source can be edited")
	}
	b.Open(path(0, "/do/edit"))
	b.Wait("#f-label[readonly]")
	b.Check("edit")
}
