package deviceindex

import "strings"

// separator is between the values of one interned text. Records have no NUL in the texts that are interned.
const separator = "\x00"

// interned has texts that many rows share, each once. A row holds the place of its text; place 0 is the empty text.
type interned struct {
	places map[string]uint32
	texts  []sharedText
	free   []uint32
	swaps  int // how often a place got another text
}

type sharedText struct {
	text   string
	values []string // of text, as they were entered
	lower  []string // the same in lower case
	rows   int      // how many rows hold it
}

func newInterned() *interned {
	return &interned{places: map[string]uint32{}, texts: make([]sharedText, 1)}
}

// set makes a member of a row hold the values.
func (t *interned) set(at *uint32, values ...string) {
	text := strings.Join(values, separator)
	if t.texts[*at].text == text {
		return
	}
	t.drop(at)
	if text == "" {
		return
	}
	place, ok := t.places[text]
	if !ok {
		place = t.add(strings.Clone(text))
	}
	t.texts[place].rows++
	*at = place
}

func (t *interned) add(text string) uint32 {
	values := strings.Split(text, separator)
	lower := values
	if low := strings.ToLower(text); low != text {
		lower = strings.Split(low, separator)
	}
	s := sharedText{text: text, values: values, lower: lower}
	place := uint32(len(t.texts))
	if n := len(t.free); n > 0 {
		place, t.free = t.free[n-1], t.free[:n-1]
		t.texts[place] = s
	} else {
		t.texts = append(t.texts, s)
	}
	t.places[text] = place
	t.swaps++
	return place
}

// drop makes a member of a row empty.
func (t *interned) drop(at *uint32) {
	place := *at
	*at = 0
	if place == 0 {
		return
	}
	s := &t.texts[place]
	if s.rows--; s.rows == 0 {
		delete(t.places, s.text)
		*s = sharedText{}
		t.free = append(t.free, place)
	}
}

func (t *interned) values(at uint32) []string { return t.texts[at].values }
func (t *interned) lower(at uint32) []string  { return t.texts[at].lower }

// one returns the value in lower case at a position, "" when there are fewer.
func (t *interned) one(at uint32, i int) string {
	if v := t.texts[at].lower; i < len(v) {
		return v[i]
	}
	return ""
}
