package records

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
)

// FileName is the name of the file.
const FileName = "plugtone.db"

// The tables, with their keys.
const (
	tableDevices    = "devices"    // MAC
	tableExtensions = "extensions" // number NUL registrar
	tableRegistrars = "registrars" // name
	tableProfiles   = "profiles"   // name
	tableByMAC      = "by_mac"     // one of other_macs: MAC
	tableByIP       = "by_ip"      // reserved_ip: MAC
	tableByExt      = "by_ext"     // number NUL registrar NUL MAC: nothing
	tableByProfile  = "by_profile" // name NUL MAC: nothing
	tableHistory    = "history"    // MAC revision; written by versions before the changes
	tableChanges    = "changes"    // id: fleet.Change
	tableChanged    = "changed"    // id number: some of the records of a change, before and after
	tableByRecord   = "by_record"  // kind, key of a record, id: number of the entry in tableChanged
	tableAudit      = "audit"      // number
	tableTokens     = "tokens"     // name
)

const (
	keyRevision = "revision"
	keyWindows  = "windows" // of enrollment, one record
	keyResets   = "resets"  // budgets of phones without their credentials, one record
)

// Spec returns what plugtone.db holds.
func Spec() dbfile.Spec {
	return dbfile.Spec{Name: FileName, Schema: dbfile.Schema{Version: 4, Checksums: 2, Tables: []string{
		tableDevices, tableExtensions, tableRegistrars, tableProfiles, tableByMAC, tableByIP, tableByExt, tableByProfile,
		tableHistory, tableChanges, tableChanged, tableByRecord, tableAudit, tableTokens},
		Sealed: []string{tableDevices, tableExtensions, tableRegistrars, tableProfiles, tableHistory, tableChanged}}}
}

// DB is the open records. Its methods may be called from any goroutine.
type DB struct {
	file *dbfile.File
	now  func() time.Time
	log  *slog.Logger

	editMu   sync.Mutex // one Edit at a time
	revision atomic.Uint64

	refreshing sync.Mutex // held while memory is brought up to the file
	onWindows  func()     // the windows of enrollment were changed by another machine; nil: there is none
	reserved   *reservations
	bound      atomic.Pointer[historyBound]
}

// New returns the records in an open file. repair is true when records of the file were set aside: then what can be
// derived from the others is derived again.
func New(f *dbfile.File, now func() time.Time, log *slog.Logger, repair bool) (*DB, error) {
	db := &DB{file: f, now: now, log: log, reserved: newReservations()}
	if repair && f.Locked() == nil {
		if err := rebuild(f); err != nil {
			return nil, fmt.Errorf("repair %s: %w", f.Path(), err)
		}
	}
	return db, db.load()
}

// load fills what is kept in memory.
func (db *DB) load() error {
	db.refreshing.Lock()
	defer db.refreshing.Unlock()
	return db.file.View(func(tx dbfile.Tx) error {
		db.revision.Store(tx.Number(keyRevision))
		return db.reserved.load(tx)
	})
}

// time returns the clock's time as records keep it.
func (db *DB) time() time.Time { return db.now().UTC().Truncate(time.Millisecond) }

// rebuild builds the indexes again, and the revision when it is lost: the largest of a record.
func rebuild(f *dbfile.File) error {
	return f.Update(func(tx dbfile.Tx) error {
		for _, table := range append(slices.Clone(indexTables), tableByRecord) {
			if err := errors.Join(tx.DeleteBucket([]byte(table)), makeTable(tx, table)); err != nil {
				return err
			}
		}
		if err := rebuildByRecord(tx); err != nil {
			return err
		}
		e := &edit{view: view{tx, indexWrites{}}}
		newest := tx.Number(keyRevision)
		for d, err := range e.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			newest = max(newest, d.Revision)
			e.index(nil, d)
		}
		if err := e.later.write(tx, indexTables...); err != nil {
			return err
		}
		newest = max(newest, maxRevision(tx, extensionKind), maxRevision(tx, registrarKind), maxRevision(tx, profileKind))
		return tx.SetNumber(keyRevision, newest)
	})
}

func makeTable(tx dbfile.Tx, name string) error {
	_, err := tx.CreateBucket([]byte(name))
	return err
}

func maxRevision[T any](tx dbfile.Tx, k kind[T]) (newest uint64) {
	for v, err := range each(tx, k, nil, nil) {
		if err == nil {
			newest = max(newest, *k.metadata(v).revision)
		}
	}
	return newest
}
