package pack

import "fmt"

// defaultPhonebookName is what phones call the phonebook unless the setting phonebook_name says otherwise.
const defaultPhonebookName = "Phonebook"

// maxPhonebookNumbers bounds what a pack may say of a phonebook's size: files are rendered in memory.
const maxPhonebookNumbers = 10000

// checkContacts tells of a phonebook without a bound, and of a bound without a phonebook.
func (f *File) checkContacts() error {
	uses := false
	for _, field := range f.compiled.Fields() {
		uses = uses || field == ".Contacts"
	}
	switch {
	case uses && f.Kind != KindPrivate:
		return fmt.Errorf("%s: .Contacts is for files of kind private", f.Template)
	case uses && (f.MaxNumbers < 1 || f.MaxNumbers > maxPhonebookNumbers):
		return fmt.Errorf("file %s: a phonebook says with most how many numbers the phone takes, from 1 to %d", f.Name, maxPhonebookNumbers)
	case !uses && (f.MaxNumbers != 0 || f.OnlyWithPhonebook):
		return fmt.Errorf("file %s: most and when: phonebook are for templates that print .Contacts", f.Name)
	}
	return nil
}

// linkPhonebooks finds the phonebooks that phones also write: while the phonebook is on, a phone gets the book and not what it
// uploaded.
func (v *Vendor) linkPhonebooks() {
	for _, up := range v.files {
		if up.Kind != KindUpload {
			continue
		}
		for _, f := range v.files {
			if f.MaxNumbers > 0 && f.Name == up.Name {
				up.PhonebookFile = f
			}
		}
	}
}

// HasPhonebook reports whether phones of the model can be given a phonebook, and with how many numbers at most.
func (v *Vendor) HasPhonebook(model string) (most int, ok bool) {
	m := v.model(model)
	for _, f := range v.files {
		if f.MaxNumbers > 0 && (m == v.generic || m.isAny(f.For)) {
			most, ok = max(most, f.MaxNumbers), true
		}
	}
	return most, ok
}

// PhonebookOn reports whether the settings give a phone a phonebook.
func PhonebookOn(settings map[string]any) bool {
	word, ok := settings["phonebook"].(string)
	return ok && word != "off"
}

// setPhonebook fills in what the settings mean for the phonebook: its name, and where the phone fetches it unless the operator
// named another place.
func (v *view) setPhonebook(p Phone, common bool) {
	if PhonebookOn(v.settings) && p.Assigned && !common {
		if name, ok := v.vendor.phonebookName(p, v.model); ok {
			v.Phonebook = defaultPhonebookName
			if _, ok := v.settings["phonebook_url"]; !ok {
				v.settings["phonebook_url"] = v.URL + name
			}
		}
	}
	if _, ok := v.settings["phonebook_url"]; ok && v.settings["phonebook_name"] == nil {
		v.settings["phonebook_name"] = defaultPhonebookName
	}
	if name, ok := v.settings["phonebook_name"].(string); ok && v.Phonebook != "" {
		v.Phonebook = name
	}
}

// phonebookName is the name of the phonebook that a phone of this model fetches.
func (v *Vendor) phonebookName(p Phone, m *Model) (string, bool) {
	for _, f := range v.filesOf(m) {
		if f.MaxNumbers == 0 {
			continue
		}
		if name, ok := fillName(f.Name, p, m); ok {
			return name, true
		}
	}
	return "", false
}

// setContacts gives a phonebook's template as many contacts as the phone takes, counted by their numbers.
func (v *view) setContacts(f *File, p Phone) {
	if f.MaxNumbers == 0 || v.Phonebook == "" {
		return
	}
	room := f.MaxNumbers
	for _, c := range p.Contacts {
		if room -= c.Numbers(); room < 0 {
			break
		}
		v.Contacts = append(v.Contacts, contactView{N: len(v.Contacts) + 1, Contact: c})
	}
}

// Numbers is how many numbers a contact has: many phones know only entries with one.
func (c Contact) Numbers() int {
	n := 0
	for _, number := range []string{c.Number, c.Mobile, c.Home} {
		if number != "" {
			n++
		}
	}
	return n
}

// contactView is a contact as templates see it.
type contactView struct {
	N int // 1..
	Contact
}

// requested reports whether a phone asks for the file: a phonebook that it learns of by its settings only while they name it,
// and of two entries for one name the one that counts.
func (f *File) requested(on bool, v *Vendor) bool {
	if f.MaxNumbers > 0 && !on {
		if f.OnlyWithPhonebook {
			return false
		}
		for _, up := range v.files {
			if up.PhonebookFile == f {
				return false
			}
		}
	}
	return f.PhonebookFile == nil || !on
}
