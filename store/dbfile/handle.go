package dbfile

import (
	"fmt"
	"math/bits"
	"os"
	"reflect"
	"sync"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// handle is an open database. It is closed by the last transaction when another took its place.
type handle struct {
	db      *bolt.DB
	writes  *writeOut
	users   int  // under File.mu
	retired bool // under File.mu

	mu   sync.Mutex
	dead error // why no transaction that reads can begin any more; nil while it can
}

// mapSize is the address space set aside for a file. While the map is large enough a growing file needs no new map; a new
// map would wait for every open read, so a slow reader would hold up every write. Only address space is taken.
func mapSize() int {
	if bits.UintSize == 32 {
		return 256 << 20
	}
	return 1 << 30
}

// growBy is how many bytes a file grows at a time.
const growBy = 4 << 20

// openBolt opens a file that has been checked. The list of free pages is stored in the file: without it bbolt scans the
// file in a goroutine of its own, where a page that can't be read ends the process.
func openBolt(path string, noSync bool, maxSize int) (*handle, error) {
	h := &handle{}
	var file *os.File
	err := guard(func() (err error) {
		h.db, err = bolt.Open(path, FileMode, &bolt.Options{
			Timeout:         lockTries * lockPause, // bbolt waits for ever without one
			NoSync:          noSync,
			FreelistType:    bolt.FreelistMapType,
			InitialMmapSize: mapSize(),
			MaxSize:         maxSize,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			},
		})
		if err == nil {
			h.writes = paceWrites(h.db, file)
			h.db.AllocSize = growBy
			if maxSize > 0 {
				h.db.AllocSize = min(growBy, maxSize/16)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return h, nil
}

// begin begins a transaction that reads. unreadable reports that the first pages of the file can't be read, or are no longer those of a
// database: then no other transaction begins.
func (h *handle) begin() (tx *bolt.Tx, unreadable bool, err error) {
	h.mu.Lock()
	dead := h.dead
	h.mu.Unlock()
	if dead != nil {
		return nil, true, dead
	}
	began := false
	err = guard(func() (err error) {
		tx, err = h.db.Begin(false)
		began = true
		return err
	})
	if !began {
		releaseLocks(h.db)
		h.mu.Lock()
		h.dead = err
		h.mu.Unlock()
	}
	return tx, !began, err
}

// releaseLocks releases the two locks that bbolt holds while the begin of a transaction that reads panics (DB.beginTx in bbolt 1.5). bbolt
// would hold them for ever, and every transaction that begins, ends or commits would wait.
func releaseLocks(db *bolt.DB) {
	if l := lockOf[sync.RWMutex](db, "mmaplock"); l != nil {
		l.RUnlock()
	}
	if l := lockOf[sync.Mutex](db, "metalock"); l != nil {
		l.Unlock()
	}
}

// lockOf returns the lock in an unexported field of db; nil if it has none of that name and type.
func lockOf[L any](db *bolt.DB, name string) *L {
	field := reflect.ValueOf(db).Elem().FieldByName(name)
	if !field.IsValid() || field.Type() != reflect.TypeFor[L]() {
		return nil
	}
	return (*L)(unsafe.Pointer(field.UnsafeAddr()))
}

// reached reports whether what the transaction with that number has written can be read.
func (h *handle) reached(id int) bool {
	tx, _, err := h.begin()
	if err != nil {
		return false
	}
	defer tx.Rollback() // it has only read
	return tx.ID() >= id
}
