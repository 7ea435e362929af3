package events

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
)

// filled returns an entry with every member set, every text to s.
func filled(t testing.TB, s string) timeline.Entry {
	var e timeline.Entry
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(s)
		case int, int64, time.Duration:
			f.SetInt(int64(100 + i))
		case time.Time:
			f.Set(reflect.ValueOf(startOfTime.Add(time.Duration(i) * time.Microsecond)))
		case netip.Addr:
			f.Set(reflect.ValueOf(addr(i)))
		default:
			f.Set(reflect.ValueOf(mac(i)))
		}
	}
	if v.Field(0).IsZero() || e.MAC.IsZero() || e.Kind != s {
		t.Fatalf("not filled: %+v", e)
	}
	return e
}

// TestEntriesAreEncodedAsByJSON: every member of an entry reads back, whatever its text has.
func TestEntriesAreEncodedAsByJSON(t *testing.T) {
	for _, e := range []timeline.Entry{{MAC: mac(1)}, filled(t, "plain"), filled(t, `"\`), filled(t, "tab\t, ü, \u2028, <&>, \x7f"), filled(t, "a\xff")} {
		wanted, err := dbfile.Encode(&entryRecord{e, 7})
		must(t, err)
		got, err := appendEntry(nil, &e, 7)
		must(t, err)
		var a, b entryRecord
		must(t, dbfile.Decode(wanted, &a))
		must(t, dbfile.Decode(got, &b))
		if !reflect.DeepEqual(a, b) || b.Number != 7 {
			t.Errorf("%s\nreads back as that of %s", got, wanted)
		}
	}
	e := timeline.Entry{Time: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}
	if b, err := appendEntry(nil, &e, 1); err == nil {
		t.Errorf("a time that no one can read: %s", b)
	}
}

func BenchmarkEncodeEntry(b *testing.B) {
	e := filled(b, "some words of a text")
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := dbfile.Encode(&entryRecord{e, 7}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			var err error
			if buf, err = appendEntry(buf[:0], &e, 7); err != nil {
				b.Fatal(err)
			}
		}
	})
}
