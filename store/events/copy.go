package events

import (
	"bytes"
	"slices"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
)

// copyBatch is how many records one transaction of a copy writes.
const copyBatch = 10_000

// copier writes records to another file, many in one transaction.
type copier struct {
	to      *dbfile.File
	waiting []rawRecord
}

type rawRecord struct {
	table      string
	key, value []byte // of the file that is read
}

func (c *copier) add(table string, k, v []byte) error {
	if c.waiting = append(c.waiting, rawRecord{table, k, v}); len(c.waiting) < copyBatch {
		return nil
	}
	return c.flush()
}

func (c *copier) flush() error {
	err := c.to.Update(func(tx dbfile.Tx) error {
		for _, r := range c.waiting {
			if err := tx.Table(r.table).PutRecord(r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	c.waiting = c.waiting[:0]
	return err
}

// copyPhones copies all but the phones that are gone, of each timeline the last entries.
func copyPhones(from dbfile.Tx, to *dbfile.File, gone map[dhcp.MAC]bool, perPhone int) error {
	c := &copier{to: to}
	for _, table := range []string{dbfile.MetaTable, tableFetches, tableDiscovered, tableJobs, tableUsage} {
		err := from.Table(table).ForEach(func(k, v []byte) error {
			if table == tableFetches && len(k) >= 6 && gone[dhcp.MAC(k[:6])] {
				return nil
			}
			return c.add(table, k, v)
		})
		if err != nil {
			return err
		}
	}
	cursor := from.Table(tableTimeline).Cursor()
	for k, _ := cursor.First(); len(k) == 14; {
		mac := dhcp.MAC(k[:6])
		if !gone[mac] {
			if err := copyTimeline(from.Table(tableTimeline).Cursor(), c, mac, perPhone); err != nil {
				return err
			}
		}
		if k, _ = cursor.Seek(timelineKey(mac, ^uint64(0))); bytes.HasPrefix(k, mac[:]) {
			k, _ = cursor.Next()
		}
	}
	return c.flush()
}

func copyTimeline(cursor *bolt.Cursor, c *copier, mac dhcp.MAC, perPhone int) error {
	var entries []rawRecord
	for k, v := lastOf(cursor, mac); len(entries) < perPhone && bytes.HasPrefix(k, mac[:]); k, v = cursor.Prev() {
		entries = append(entries, rawRecord{tableTimeline, k, v})
	}
	for _, r := range slices.Backward(entries) {
		if err := c.add(r.table, r.key, r.value); err != nil {
			return err
		}
	}
	return nil
}
