package dbfile

import (
	"bytes"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"plugtone/provision/fleet"
)

// Mutation is one record that a transaction has put or deleted.
type Mutation struct {
	Table   string
	Key     []byte
	Payload []byte // not encrypted
	Deleted bool
}

// Replica stores the changes of a file's transactions where other machines read them for their copies of the file.
type Replica interface {
	// Offer stores the changes of a transaction before it is committed. Its error undoes the transaction; one that wraps ErrBehind means
	// that changes were stored that this file does not have yet. What it writes with tx is committed too.
	Offer(tx Tx, changes []Mutation) error
	// CatchUp writes the changes to this file that Offer has found missing. tries is how often the transaction has run. done is called when
	// it has ended; it may be nil.
	CatchUp(tries int) (done func(), err error)
}

// ErrBehind is wrapped by the error of an Offer that came after changes of another machine.
var ErrBehind = errors.New("other changes were stored meanwhile")

// offers is how often a transaction runs that comes after changes of other machines each time. A Replica lets none lose so often.
const offers = 30

// replication is where a file's changes are stored besides.
type replication struct {
	Replica
	which func(table string, key []byte) bool
}

// recorded are the changes of a running transaction; nil: they are not recorded.
type recorded struct {
	which func(table string, key []byte) bool
	list  []Mutation
}

func (r *recorded) add(table string, key, payload []byte, deleted bool) {
	if r != nil && r.which(table, key) {
		r.list = append(r.list, Mutation{Table: table, Key: bytes.Clone(key), Payload: bytes.Clone(payload), Deleted: deleted})
	}
}

// Replicate makes File.Update offer the changes of the records for which which returns true. An Update may then run its function several times.
// Call it before the first Update.
func Replicate(f *File, r Replica, which func(table string, key []byte) bool) {
	f.replication = &replication{r, which}
}

// update is Update of a file with a Replica. A commit that fails after the Replica has the changes undoes them in this file alone.
func (r *replication) update(f *File, fn func(Tx) error) error {
	for try := 1; ; try++ {
		offered := false
		err := UpdateLocally(f, func(tx Tx) error {
			tx.recorded = &recorded{which: r.which}
			if err := fn(tx); err != nil || len(tx.recorded.list) == 0 {
				return err
			}
			err := r.Offer(tx, tx.recorded.list)
			offered = err == nil
			return err
		})
		if offered && err != nil && !errors.Is(err, ErrOutcomeUnknown) {
			return fmt.Errorf("%w: %w", err, ErrOutcomeUnknown)
		}
		if !errors.Is(err, ErrBehind) {
			return err
		}
		if try == offers {
			return fmt.Errorf("the records are changed by others all the time, %d times while this change was made: try again later: %w: %w", offers, err, fleet.ErrInternal)
		}
		done, err := r.CatchUp(try)
		if done != nil {
			defer done()
		}
		if err != nil {
			return err
		}
	}
}

// Apply makes a change that another machine has made.
func (tx Tx) Apply(m Mutation) error {
	if tx.Bucket([]byte(m.Table)) == nil {
		return Damagedf("a change of the table %q, which there is not", m.Table)
	}
	t := tx.Table(m.Table)
	if m.Deleted {
		return t.Delete(m.Key)
	}
	return t.Put(m.Key, m.Payload)
}

// Each calls f with each record for which which returns true. A damaged one is left out, as for readers; damaged counts them.
func (tx Tx) Each(which func(table string, key []byte) bool, f func(Mutation) error) (damaged int, err error) {
	err = tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		t := tx.Table(string(name))
		return b.ForEach(func(k, v []byte) error {
			if !which(t.name, k) {
				return nil
			}
			payload, err := t.Payload(k, v)
			if errors.Is(err, ErrDamaged) {
				damaged++
				return nil
			}
			if err != nil {
				return err
			}
			return f(Mutation{Table: t.name, Key: k, Payload: payload})
		})
	})
	return damaged, err
}

// ReplaceRecords replaces the records for which which returns true by those that fill puts, all of them or none.
func ReplaceRecords(f *File, which func(table string, key []byte) bool, fill func(put func(Mutation) error) error) error {
	err := f.Replace(f.schema, f.o.MaxSize, func(from Tx, to *File) error {
		err := from.ForEach(func(name []byte, b *bolt.Bucket) error {
			return to.Update(func(tx Tx) error {
				return b.ForEach(func(k, v []byte) error {
					if which(string(name), k) {
						return nil
					}
					return sealRecord(from, tx, string(name), k, v)
				})
			})
		})
		if err != nil {
			return err
		}
		return inBatches(to, fill)
	})
	if err == nil {
		f.mu.Lock()
		clear(f.noted) // a record that is still damaged is found again
		f.mu.Unlock()
	}
	return err
}

// inBatches applies what fill puts, in transactions of migrateBatch records.
func inBatches(to *File, fill func(put func(Mutation) error) error) error {
	var batch []Mutation
	flush := func() error {
		err := to.Update(func(tx Tx) error {
			for _, m := range batch {
				if err := tx.Apply(m); err != nil {
					return fmt.Errorf("table %s: %w", m.Table, err)
				}
			}
			return nil
		})
		batch = batch[:0]
		return err
	}
	err := fill(func(m Mutation) error {
		if batch = append(batch, m); len(batch) < migrateBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
