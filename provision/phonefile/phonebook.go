package phonefile

import "plugtone/provision/fleet"

// defaultPhonebookName is the name of the phonebook on phones without the setting phonebook_name.
const defaultPhonebookName = "Phonebook"

// linkPhonebooks finds the phonebooks that phones also write: while the phonebook is on, a phone receives the phonebook
// and not what it uploaded.
func (f *FileList) linkPhonebooks() {
	for _, up := range f.list {
		if up.Kind != KindUpload {
			continue
		}
		for _, file := range f.list {
			if file.MaxNumbers > 0 && file.Name == up.Name {
				up.PhonebookFile = file
			}
		}
	}
}

// HasPhonebook reports whether phones of the model can receive a phonebook, and with how many numbers at most.
func (f *FileList) HasPhonebook(model string) (maxNumbers int, ok bool) {
	m := f.models.ModelOrGeneric(model)
	for _, file := range f.list {
		if file.MaxNumbers > 0 && (m == f.models.generic || m.IsAny(file.For)) {
			maxNumbers, ok = max(maxNumbers, file.MaxNumbers), true
		}
	}
	return maxNumbers, ok
}

// PhonebookOn reports whether the settings give a phone a phonebook.
func PhonebookOn(settings map[string]any) bool {
	word, ok := settings["phonebook"].(string)
	return ok && word != "off"
}

// requested reports whether a phone requests the file: a phonebook that it learns of by its settings only while they name
// it, and of two entries for one name the one that counts. on is whether the phone's phonebook is on.
func (f *FileList) requested(file *File, on bool) bool {
	if file.MaxNumbers > 0 && !on {
		if file.OnlyWithPhonebook {
			return false
		}
		for _, up := range f.list {
			if up.PhonebookFile == file {
				return false
			}
		}
	}
	return file.PhonebookFile == nil || !on
}

// phonebookName is the name of the phonebook that a phone of this model fetches.
func (f *FileList) phonebookName(p Phone, m *Model) (string, bool) {
	for _, file := range f.FilesOf(m) {
		if file.MaxNumbers == 0 {
			continue
		}
		if name, ok := fillName(file.Name, p, m); ok {
			return name, true
		}
	}
	return "", false
}

// setPhonebook fills in what the settings mean for the phonebook: its name, and where the phone fetches it unless the
// operator named another place.
func (v *view) setPhonebook(p Phone, common bool) {
	if PhonebookOn(v.settings) && p.Assigned && !common {
		if name, ok := v.renderer.phonebookName(p, v.model); ok {
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

// setContacts gives a phonebook's template as many contacts as the phone takes, counted by their numbers.
func (v *view) setContacts(f *File, p Phone) {
	if f.MaxNumbers == 0 || v.Phonebook == "" {
		return
	}
	left := f.MaxNumbers
	for _, c := range p.Contacts {
		if left -= c.Numbers(); left < 0 {
			break
		}
		v.Contacts = append(v.Contacts, contactView{N: len(v.Contacts) + 1, Contact: c})
	}
}

// contactView is a contact as templates see it.
type contactView struct {
	N int // 1..
	fleet.Contact
}
