package records

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
)

// Rows of the form for contacts.
const (
	freeRows = 3 // without a contact
	maxRows  = 5000
)

type contactsView struct {
	page.Base
	record.ProfileHead
	Form   *page.Form
	Heads  []string
	Rows   [][]page.Field
	Owned  bool // a PBX source has them
	Effect *preview.Preview
}

// contactMembers are the columns of the form: members of a contact with their labels.
func contactMembers() [][2]string {
	return [][2]string{{"name", "Name"}, {"number", "At work"}, {"mobile", "Mobile"}, {"home", "At home"}, {"group", "Group"}}
}

func cell(row int, member string) string { return fmt.Sprintf("c%d.%s", row, member) }

func contactValues(list []fleet.Contact) url.Values {
	v := url.Values{"rows": {strconv.Itoa(len(list) + freeRows)}}
	for i, c := range list {
		for j, text := range []string{c.Name, c.Number, c.Mobile, c.Home, c.Group} {
			v.Set(cell(i, contactMembers()[j][0]), text)
		}
	}
	return v
}

// readContacts returns the contacts of the form, and which row each is from.
func readContacts(f *page.Form) (list []fleet.Contact, rows []int) {
	list = []fleet.Contact{}
	for i := range contactRows(f) {
		get := func(member string) string { return f.Get(cell(i, member)) }
		digits := func(member string) string {
			return strings.NewReplacer(" ", "", "(", "", ")", "", "/", "").Replace(get(member))
		} // as people write them
		c := fleet.Contact{Name: get("name"), Number: digits("number"), Mobile: digits("mobile"), Home: digits("home"), Group: get("group")}
		if c == (fleet.Contact{}) {
			continue
		}
		list, rows = append(list, c), append(rows, i)
	}
	return list, rows
}

func contactRows(f *page.Form) int {
	n, err := strconv.Atoi(f.Get("rows"))
	if err != nil {
		return 0
	}
	return max(0, min(n, maxRows))
}

func (s screen) contacts(r *page.Request) error {
	h, err := record.LoadProfile(r.Context(), s.API, r.PathValue("name"), "contacts")
	if err != nil {
		return err
	}
	f := page.NewForm(contactValues(h.Profile.Contacts))
	f.Values.Set("etag", h.ETag)
	return s.showContacts(r, &contactsView{ProfileHead: h, Form: f})
}

func (s screen) showContacts(r *page.Request, v *contactsView) error {
	v.Title = "Contacts · " + v.Profile.Name
	for _, m := range contactMembers() {
		v.Heads = append(v.Heads, m[1])
	}
	for i := range contactRows(v.Form) {
		var row []page.Field
		for _, m := range contactMembers() {
			if _, ok := v.Form.Values[cell(i, m[0])]; !ok { // so that errors find it
				v.Form.Values.Set(cell(i, m[0]), "")
			}
			row = append(row, v.Form.Text(cell(i, m[0]), fmt.Sprintf("%s of contact %d", m[1], i+1)))
		}
		v.Rows = append(v.Rows, row)
	}
	return s.RenderStatus(r, v.Form.Status, "contacts", v)
}

func (s screen) saveContacts(r *page.Request) error {
	h, err := record.LoadProfile(r.Context(), s.API, r.PathValue("name"), "contacts")
	if err != nil {
		return err
	}
	f, err := r.Form()
	if err != nil {
		return err
	}
	v := &contactsView{ProfileHead: h, Form: f}
	if f.Get("step") == "more" {
		f.Values.Set("rows", strconv.Itoa(contactRows(f)+10))
		return s.showContacts(r, v)
	}
	list, rows := readContacts(f)
	fields := map[string]string{}
	for at, row := range rows {
		for _, m := range contactMembers() {
			fields[fmt.Sprintf("contacts[%d].%s", at, m[0])] = cell(row, m[0])
		}
		fields[fmt.Sprintf("contacts[%d]", at)] = cell(row, "number")
	}
	_, err = s.API.Writing(client.Write{DryRun: f.Get("step") == "preview"}).Profiles().Patch(r.Context(), h.Profile.Name, map[string]any{"contacts": list}, f.Get("etag"))
	if v.Effect, err = preview.Tried(err, nil); err == nil && v.Effect == nil {
		r.Note("ok", "The contacts were saved. Phones fetch them at the next resync or restart.")
		return r.Redirect("/profiles/" + url.PathEscape(h.Profile.Name) + "/contacts")
	}
	err = f.FailWrite(err, fields, h.ETag, func() *page.Conflict {
		return page.Compare("", url.Values{"c": {contactText(list)}}, url.Values{"c": {contactText(h.Profile.Contacts)}}, "c=Contacts")
	})
	if err != nil {
		return err
	}
	return s.showContacts(r, v)
}

func contactText(list []fleet.Contact) string {
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = strings.Join(strings.Fields(strings.Join([]string{c.Name, c.Number, c.Mobile, c.Home, c.Group}, " ")), " ")
	}
	return strings.Join(texts, ", ")
}
