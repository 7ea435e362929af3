package records

import (
	"net/netip"

	"plugtone/store/dbfile"
)

// Replicated reports whether all members of a cluster have the same record under key. The others are about one machine: the schema and key
// of its file, and budgets of phones without their credentials.
func Replicated(table string, key []byte) bool {
	if table == dbfile.MetaTable {
		return string(key) == keyRevision || string(key) == keyWindows
	}
	return table != dbfile.DamagedTable
}

// Copy is the records as a copy of which other machines have others.
type Copy struct{ *DB }

// Replicate stores all further changes with r too. onWindows is called when another machine has changed the windows of enrollment, on a goroutine
// of its own: a write of windows may be waiting for r meanwhile. It may be nil.
func (db Copy) Replicate(r dbfile.Replica, onWindows func()) {
	db.onWindows = onWindows
	dbfile.Replicate(db.file, r, Replicated)
}

// File returns the file of the records, for a Replica.
func (db Copy) File() *dbfile.File { return db.file }

// Applied brings what is kept in memory up to changes that a Replica has written to the file.
func (db Copy) Applied(changes []dbfile.Mutation) error {
	var addrs []netip.Addr
	windows := false
	for _, m := range changes {
		if a, ok := netip.AddrFromSlice(m.Key); ok && m.Table == tableByIP {
			addrs = append(addrs, a)
		}
		windows = windows || m.Table == dbfile.MetaTable && string(m.Key) == keyWindows
	}
	err := refresh(db.DB, addrs)
	if windows && db.onWindows != nil {
		go db.onWindows()
	}
	return err
}

// Reloaded brings what is kept in memory up to a file of which all records were replaced.
func (db Copy) Reloaded() error {
	err := db.load()
	if db.onWindows != nil {
		go db.onWindows()
	}
	return err
}

// refresh reads the revision and the reservations of these addresses from the file. It may run at the same time as others, in any order:
// the last one reads what all have written.
func refresh(db *DB, addrs []netip.Addr) error {
	db.refreshing.Lock()
	defer db.refreshing.Unlock()
	return db.file.View(func(tx dbfile.Tx) error {
		db.revision.Store(tx.Number(keyRevision))
		return db.reserved.refresh(tx, addrs)
	})
}
