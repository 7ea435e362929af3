package records

import (
	"maps"
	"slices"

	"plugtone/store/dbfile"
)

// indexWrites are the entries of the secondary indexes that an edit has changed and not written yet, by table and key; nil is an entry
// that is removed. bbolt splits a page only when it commits: until then each entry that is put between others moves those after it, which
// takes minutes for 100,000 devices in any order. In the order of their keys none is moved.
type indexWrites map[string]map[string][]byte

// present is the value of an entry whose key has everything.
var present = []byte{}

func (w indexWrites) put(table string, key, value []byte) {
	if w[table] == nil {
		w[table] = map[string][]byte{}
	}
	if value == nil {
		value = present
	}
	w[table][string(key)] = value
}

func (w indexWrites) remove(table string, key []byte) {
	w.put(table, key, nil)
	w[table][string(key)] = nil
}

// get returns an entry as it will be. Without writes it is that of the table.
func (w indexWrites) get(t dbfile.Table, table string, key []byte) ([]byte, error) {
	if value, changed := w[table][string(key)]; changed {
		return value, nil
	}
	return t.Get(key)
}

// write writes the entries of some tables.
func (w indexWrites) write(tx dbfile.Tx, tables ...string) error {
	for _, name := range tables {
		table := tx.Table(name)
		for _, key := range slices.Sorted(maps.Keys(w[name])) {
			value := w[name][key]
			if value == nil {
				if err := table.Delete([]byte(key)); err != nil {
					return err
				}
				continue
			}
			if err := table.Put([]byte(key), value); err != nil {
				return err
			}
		}
		delete(w, name)
	}
	return nil
}

// indexTables are the secondary indexes of devices.
var indexTables = []string{tableByMAC, tableByIP, tableByExt, tableByProfile}
