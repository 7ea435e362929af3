package pack

import "fmt"

// defaultBook is what phones call the phonebook unless the setting phonebook_name says otherwise.
const defaultBook = "Phonebook"

// mostContacts bounds what a pack may say of a phonebook's size: files are rendered in memory.
const mostContacts = 10000

// checkContacts tells of a phonebook without a bound, and of a bound without a phonebook.
func (f *File) checkContacts() error {
	uses := false
	for _, field := range f.compiled.Fields() {
		uses = uses || field == ".Contacts"
	}
	switch {
	case uses && f.Kind != KindPrivate:
		return fmt.Errorf("%s: .Contacts is for files of kind private", f.Template)
	case uses && (f.Most < 1 || f.Most > mostContacts):
		return fmt.Errorf("file %s: a phonebook says with most how many numbers the phone takes, from 1 to %d", f.Name, mostContacts)
	case !uses && (f.Most != 0 || f.Phonebook):
		return fmt.Errorf("file %s: most and when: phonebook are for templates that print .Contacts", f.Name)
	}
	return nil
}

// joinBooks finds the phonebooks that phones also write: while the phonebook is on, a phone gets the book and not what it
// uploaded.
func (v *Vendor) joinBooks() {
	for _, up := range v.files {
		if up.Kind != KindUpload {
			continue
		}
		for _, f := range v.files {
			if f.Most > 0 && f.Name == up.Name {
				up.Book = f
			}
		}
	}
}

// HasPhonebook tells whether phones of the model can be given a phonebook, and with how many numbers at most.
func (v *Vendor) HasPhonebook(model string) (most int, ok bool) {
	m := v.model(model)
	for _, f := range v.files {
		if f.Most > 0 && (m == v.generic || m.isAny(f.For)) {
			most, ok = max(most, f.Most), true
		}
	}
	return most, ok
}

// BookOn tells whether the settings give a phone a phonebook.
func BookOn(settings map[string]any) bool {
	word, ok := settings["phonebook"].(string)
	return ok && word != "off"
}

// setBook fills in what the settings mean for the phonebook: its name, and where the phone fetches it unless the operator
// named another place.
func (v *view) setBook(p Phone, common bool) {
	if BookOn(v.settings) && p.Assigned && !common {
		if name, ok := v.vendor.bookName(p, v.model); ok {
			v.Phonebook = defaultBook
			if _, ok := v.settings["phonebook_url"]; !ok {
				v.settings["phonebook_url"] = v.URL + name
			}
		}
	}
	if _, ok := v.settings["phonebook_url"]; ok && v.settings["phonebook_name"] == nil {
		v.settings["phonebook_name"] = defaultBook
	}
	if name, ok := v.settings["phonebook_name"].(string); ok && v.Phonebook != "" {
		v.Phonebook = name
	}
}

// bookName is the name of the phonebook that a phone of this model fetches.
func (v *Vendor) bookName(p Phone, m *Model) (string, bool) {
	for _, f := range v.filesOf(m) {
		if f.Most == 0 {
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
	if f.Most == 0 || v.Phonebook == "" {
		return
	}
	room := f.Most
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

// asks tells whether a phone asks for the file: a phonebook that it learns of by its settings only while they name it,
// and of two entries for one name the one that counts.
func (f *File) asks(on bool, v *Vendor) bool {
	if f.Most > 0 && !on {
		if f.Phonebook {
			return false
		}
		for _, up := range v.files {
			if up.Book == f {
				return false
			}
		}
	}
	return f.Book == nil || !on
}
