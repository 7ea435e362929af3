package events

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
)

// entryRecord is an entry in the file. Its number distinguishes it from the same entry in memory.
type entryRecord struct {
	timeline.Entry
	Number uint64 `json:"number,omitempty"`
}

// clip bounds a text that came from the network and makes it one that reads back as it is. The result may be part of s.
func clip(s string) string {
	if len(s) > textMax {
		s = strings.Clone(s[:textMax])
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func compareMAC(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) }

// logKeyBit is the group bit of a MAC, which no interface's own has (IEEE 802).
const logKeyBit = 1

// logLines is how many lines of its log are stored of a phone at most.
const logLines = 100

// keyOf returns the MAC under which an entry is stored: its own, with the group bit for a line of the phone's log. So a log is a timeline of its
// own, with its own bounds: it pushes out nothing of what happened to the phone.
func keyOf(e *timeline.Entry) dhcp.MAC {
	if e.Source == timeline.Syslog {
		return logKey(e.MAC)
	}
	return e.MAC
}

func logKey(mac dhcp.MAC) dhcp.MAC {
	mac[0] |= logKeyBit
	return mac
}

// isLog reports whether lines of a log are stored under the key.
func isLog(key dhcp.MAC) bool { return key[0]&logKeyBit != 0 }

// lengthOf returns how many entries are stored under a key, when a timeline has perPhone.
func lengthOf(key dhcp.MAC, perPhone int) int {
	if isLog(key) {
		return min(perPhone, logLines)
	}
	return perPhone
}

// recorded returns which of the keys belong to a device record.
func (c *Config) recorded(keys []dhcp.MAC) (map[dhcp.MAC]bool, error) {
	macs := make([]dhcp.MAC, len(keys))
	for i, key := range keys {
		key[0] &^= logKeyBit
		macs[i] = key
	}
	of, err := c.Recorded(macs)
	out := make(map[dhcp.MAC]bool, len(of))
	for i, key := range keys {
		if of[macs[i]] {
			out[key] = true
		}
	}
	return out, err
}

func timelineKey(mac dhcp.MAC, n uint64) []byte { return appendTimelineKey(nil, mac, n) }

func appendTimelineKey(b []byte, mac dhcp.MAC, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, mac[:]...), n)
}

// loadPhones jumps from the end of one timeline to the end of the next. last is the largest number of their entries.
func loadPhones(tx dbfile.Tx) (phones map[dhcp.MAC]phone, last uint64) {
	phones = map[dhcp.MAC]phone{}
	t := tx.Table(tableTimeline)
	c := t.Cursor()
	for k, v := c.Last(); len(k) == 14; k, v = c.Prev() {
		mac := dhcp.MAC(k[:6])
		r := readEntry(t, k, v) // a timeline whose end can't be read counts as the oldest
		phones[mac] = phone{newest: r.Time}
		last = max(last, r.Number)
		c.Seek(mac[:])
	}
	return phones, last
}

// readEntry returns a zero record for what can't be read.
func readEntry(t dbfile.Table, k, v []byte) (r entryRecord) {
	b, err := t.Payload(k, v)
	if err != nil || dbfile.Decode(b, &r) != nil {
		return entryRecord{}
	}
	return r
}

// extend appends to one timeline what it does not have yet, and removes what exceeds its length at the other end.
func extend(t dbfile.Table, mac dhcp.MAC, entries []queued, perPhone int) error {
	c := t.Cursor()
	first, last := ends(c, mac)
	written := uint64(0)
	if last > 0 {
		k, v := lastOf(c, mac)
		written = readEntry(t, k, v).Number
	}
	var key, payload, values []byte
	entries = entries[max(0, len(entries)-perPhone):]
	for i, q := range entries {
		if q.number <= written {
			continue
		}
		var err error
		if payload, err = appendEntry(payload[:0], q.entry, q.number); err != nil {
			return err
		}
		last++
		key = appendTimelineKey(key[:0], mac, last)
		if cap(values)-len(values) < len(payload)+16 { // values are needed until the end of the transaction: room for the others, about as long
			values = make([]byte, 0, (len(payload)+32)*(len(entries)-i))
		}
		before := len(values)
		values = dbfile.AppendRecord(values, tableTimeline, key, payload)
		if err := t.PutRecord(key, values[before:len(values):len(values)]); err != nil {
			return err
		}
	}
	for ; first+uint64(perPhone) <= last; first++ {
		key = appendTimelineKey(key[:0], mac, first)
		if err := t.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// ends returns the first and last number of a timeline, 1 and 0 when there is none. Numbers have no gaps.
func ends(c *bolt.Cursor, mac dhcp.MAC) (first, last uint64) {
	k, _ := c.Seek(mac[:])
	if !bytes.HasPrefix(k, mac[:]) {
		return 1, 0
	}
	first = binary.BigEndian.Uint64(k[6:])
	k, _ = lastOf(c, mac)
	return first, binary.BigEndian.Uint64(k[6:])
}

// lastOf moves c to the last key of a MAC, or to where it would be.
func lastOf(c *bolt.Cursor, mac dhcp.MAC) (k, v []byte) {
	if k, _ := c.Seek(timelineKey(mac, ^uint64(0))); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// Timeline returns the newest limit entries of a phone, the oldest of them first, those that are not written yet too.
func (db *DB) Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	return read(db, mac, limit)
}

// PhoneLog returns the newest limit lines that a phone has logged, as Timeline.
func (db *DB) PhoneLog(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	return read(db, logKey(mac), limit)
}

// read returns what is stored under a key.
func read(db *DB, mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	db.mu.Lock()
	var waiting []queued // newest first; before the file: an entry that is written meanwhile is known by its number
	for _, from := range [][]queued{db.queue, db.strangers[mac]} {
		for _, q := range slices.Backward(from) {
			if len(waiting) == limit {
				break
			}
			if q.mac == mac {
				waiting = append(waiting, q)
			}
		}
	}
	db.mu.Unlock()
	var found []timeline.Entry // newest first
	written := uint64(0)
	var stored []timeline.Entry
	err := db.view(func(tx dbfile.Tx) error {
		t := tx.Table(tableTimeline)
		c := t.Cursor()
		for k, v := lastOf(c, mac); len(stored) < limit && bytes.HasPrefix(k, mac[:]); k, v = c.Prev() {
			b, err := t.Payload(k, v)
			if err != nil {
				continue // damaged
			}
			var r entryRecord
			if err := dbfile.Decode(b, &r); err != nil {
				return broken("timeline entry of", mac.String(), err)
			}
			written = max(written, r.Number)
			stored = append(stored, r.Entry)
		}
		return nil
	})
	for _, q := range waiting {
		if q.number > written {
			found = append(found, *q.entry)
		}
	}
	found = append(found, stored...)
	found = found[:min(limit, len(found))]
	slices.Reverse(found)
	return found, err
}

// broken names a record that can't be read: an internal error.
func broken(kind, name string, err error) error {
	return fmt.Errorf("%s %s in %s: %w: %w", kind, name, FileName, err, fleet.ErrInternal)
}

// removeUnder removes all keys that begin with a MAC.
func removeUnder(t dbfile.Table, mac dhcp.MAC) error {
	c := t.Cursor()
	for k, _ := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, _ = c.Seek(mac[:]) {
		if err := t.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
