package records_test

import (
	"testing"

	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestProfilesAreAddedSetAndDeleted(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open("/profiles")
	b.WaitText("tbody", "warehouse")
	b.WaitText("tbody .badge.warn", "lack something")
	b.Check("profiles")
	b.Click(".page-head .primary")
	b.Type("#f-name", "sales")
	b.Choose("#f-parent", "desk")
	b.WaitText("h1", "Add a profile")
	if b.Has(`[name="upstream"]`) {
		t.Error("an operator is offered a field of the role admin")
	}
	b.Check("new")
	b.Click("form.act .primary")
	b.WaitText(".page-head h1", "sales")
	b.WaitText(".legend", "from profile desk")
	b.Click(`.tabs a[href$="/settings"]`)
	b.WaitText("tbody", "profile desk")
	b.Click(`a[href*="edit=language"]`)
	b.Type("#f-value", "fr")
	b.Check("settings")
	b.Click(`button[value="save"]`)
	b.WaitText("tr.own", "fr")
	b.Click(`.tabs a[href$="/history"]`)
	b.WaitText(".members", "settings.language")
	b.Check("history")
	b.Open("/profiles/desk/delete")
	b.WaitText(".lead", "30 records use it")
	b.WaitText(".effect", "phones get other files")
	b.Check("delete")
	b.Click("button.danger")
	b.WaitFor(`location.pathname == "/profiles"`)
	b.WaitText(".notes", "deleted")
}

func TestExtensionsAndRegistrarsAreEdited(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open("/extensions")
	b.WaitText("tbody", "Amelia Wright")
	b.Check("extensions")
	b.Type("#q", "hoffmann")
	b.WaitFor(`document.querySelectorAll("tbody tr").length == 2`)
	b.Click("tbody a")
	b.Type("#f-display_name", "Mia Hoffmann-Schulz")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect .diff", "Hoffmann-Schulz")
	b.Check("extension")
	b.Click(`button[value="save"]`)
	b.WaitText(".notes", "saved")
	b.Open("/extensions/new")
	b.Type("#f-number", "2001")
	b.Type("#f-display_name", "New")
	b.Type("#f-password", "n3w-secret")
	b.Click("form.act .primary")
	b.WaitText(".notes", "2001 was added")
	b.Open("/extensions/new")
	b.Type("#f-number", "2001")
	b.Click("form.act .primary")
	b.WaitText("[role=alert]", "exists")
	b.Open("/registrars")
	b.WaitText("tbody", "pbx.example.com")
	b.Check("registrars")
	b.Click("tbody a")
	b.Type("#f-port", "99999")
	b.Click(`button[value="save"]`)
	b.Wait("#f-port-problem")
	b.Type("#f-port", "5070")
	b.Click(`button[value="save"]`)
	b.WaitText("tbody", "5070")

	v := s.As(t, "viewer")
	v.Open("/registrars/main")
	v.Wait("#f-host[readonly]")
	if v.Count("form.act button, .page-head .actions") > 0 {
		t.Error("a viewer can edit a registrar")
	}
	v.Check("viewer")
	for _, at := range []string{"/profiles/new", "/extensions/new", "/registrars/main/delete"} {
		v.Open(at)
		v.WaitText("h1", "Not allowed")
	}
}

func TestContactsUpstreamsAndSettingsOfRegistrarsAreEdited(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open("/profiles/desk/contacts")
	b.Type("[name='c0.name']", "Front Desk")
	b.Type("[name='c0.mobile']", "+49 170 1234567")
	b.Type("[name='c1.name']", "Warehouse")
	b.Click(`.form-foot button[value="save"]`)
	b.WaitText(".problem", "needed") // a number of the second
	b.Check("contacts")
	b.Type("[name='c1.number']", "1001")
	b.Click(`.form-foot button[value="preview"]`)
	b.Wait("#effect")
	b.Click(`.form-foot button[value="save"]`)
	b.WaitText(".notes", "contacts were saved")
	if p, _, err := s.API.Profiles().Get(t.Context(), "desk", false); err != nil || len(p.Contacts) != 2 || p.Contacts[0].Mobile != "+491701234567" {
		t.Errorf("%+v, %v", p.Contacts, err)
	}
	b.Open("/profiles/desk/edit")
	b.Wait("#f-upstream[readonly]") // only admins

	a := s.As(t, "admin")
	a.Open("/profiles/desk/edit")
	a.Type("#f-upstream", "ftp://pbx.example.com/")
	a.Click(`button[value="save"]`)
	a.WaitText("#f-upstream-problem", "http")
	a.Check("upstream")
	a.Type("#f-upstream", "https://pbx.example.com/app/provision/")
	a.Type("#f-upstream_user", "provision")
	a.Click(`button[value="save"]`)
	a.WaitText(".subhead", "files from https://pbx.example.com/app/provision/")

	b.Open("/registrars/main")
	b.Click(`.tabs a[href$="/settings"]`)
	b.Choose(".add-setting select", "dtmf")
	b.Click(".add-setting button")
	b.Choose("#f-value", "inband")
	b.Check("registrar-settings")
	b.Click(`#edit button[value="save"]`)
	b.WaitText("tr.own", "inband")
}

func TestEmptyListsSayWhatToDo(t *testing.T) {
	b := webtest.Empty(t).As(t, "operator")
	for _, path := range []string{"/profiles", "/extensions", "/registrars"} {
		b.Open(path)
		b.Wait(".empty h2")
		b.Check("empty-" + path[1:])
	}
}
