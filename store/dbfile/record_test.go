package dbfile

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestAFlippedBitIsNoRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, payload := rapid.SliceOf(rapid.Byte()).Draw(t, "key"), rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		value := AppendRecord(nil, "table", key, payload)
		if got, err := Payload("table", key, value); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%x, %v", got, err)
		}
		bit := rapid.IntRange(0, 8*(len(key)+len(value))-1).Draw(t, "bit")
		all := append(bytes.Clone(key), value...)
		all[bit/8] ^= 1 << (bit % 8)
		if _, err := Payload("table", all[:len(key)], all[len(key):]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a flipped bit: %v", err)
		}
		if _, err := Payload("tables", key, value); !errors.Is(err, ErrDamaged) {
			t.Fatalf("of another table: %v", err)
		}
	})
}

func TestADamagedRecordIsSetAside(t *testing.T) {
	h := newFixture(t)
	f := h.open()
	put(t, f.File, "good", "value")
	put(t, f.File, "bad", "value")
	must(t, f.Update(func(tx Tx) error { return tx.Table("a").PutRecord([]byte("bad"), []byte("\x02damaged value")) }))
	for range 2 { // logged and counted once
		if v, err := get(t, f.File, "bad"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q, %v", v, err)
		}
	}
	if n := h.damagedRecords(); n != 1 {
		t.Errorf("%d damaged records are counted", n)
	}
	must(t, f.Close())
	f = h.open()
	if f.Damaged != 1 || h.damagedRecords() != 2 {
		t.Errorf("%d records were set aside, %d counted", f.Damaged, h.damagedRecords())
	}
	if v, err := get(t, f.File, "bad"); err != nil || v != "" {
		t.Errorf("%q, %v", v, err)
	}
	if v, err := get(t, f.File, "good"); err != nil || v != "value" {
		t.Errorf("%q, %v", v, err)
	}
	must(t, f.View(func(tx Tx) error {
		if v := tx.Bucket([]byte(DamagedTable)).Get([]byte("a\x00bad")); string(v) != "\x02damaged value" {
			t.Errorf("set aside: %q", v)
		}
		return nil
	}))
	must(t, f.Close())
	if f = h.open(); f.Damaged != 0 {
		t.Errorf("%d records were set aside again", f.Damaged)
	}
}
