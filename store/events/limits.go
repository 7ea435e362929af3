package events

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
)

// The file is kept below its limit by what is in it: from fullAt on timelines go until it is down to emptyTo. The rest is
// room for the pages that one transaction needs besides.
const (
	fullAt  = 0.75
	emptyTo = 0.65
)

const (
	trimBatch   = 20_000 // entries that one flush trims
	perPhoneMin = 10     // entries that a recorded phone keeps in a full file
)

// evict removes the timelines and fetches of phones beyond the limits: those of strangers first, of these and of the
// others the ones that were quiet for longest. Recorded phones get shorter timelines before one of them loses its own.
func (db *DB) evict(tx dbfile.Tx, written map[dhcp.MAC]phone) ([]dhcp.MAC, error) {
	all := maps.Clone(db.phones)
	maps.Copy(all, written)
	strangers := 0
	for _, p := range all {
		if p.stranger {
			strangers++
		}
	}
	excess, excessStrangers := len(all)-db.c.Phones, strangers-db.c.Strangers
	used := float64(db.file.UsedBytes())
	full := used > fullAt*float64(db.c.MaxSize)
	if excess <= 0 && excessStrangers <= 0 && !full {
		return nil, nil
	}
	// Some more than needed, so that not every flush sorts them all.
	if excess > 0 {
		excess += db.c.Phones / 50
	}
	if excessStrangers > 0 {
		excessStrangers += db.c.Strangers / 50
	}
	excess = max(excess, min(excessStrangers, strangers))
	if full {
		share := 1 - emptyTo*float64(db.c.MaxSize)/used
		if strangers > 0 {
			excess = max(excess, min(strangers, int(share*float64(len(all)))+1))
		} else if trimmed, err := db.trim(tx); err != nil {
			return nil, err
		} else if !trimmed {
			excess = max(excess, int(share*float64(len(all)))+1)
		}
	}
	gone := db.oldest(all, excess)
	for _, mac := range gone {
		if err := errors.Join(removeUnder(tx.Table(tableTimeline), mac), removeUnder(tx.Table(tableFetches), mac)); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// oldest returns n phones: strangers before others, those that were quiet for longest first.
func (db *DB) oldest(all map[dhcp.MAC]phone, n int) []dhcp.MAC {
	if n <= 0 {
		return nil
	}
	order := slices.SortedFunc(maps.Keys(all), func(a, b dhcp.MAC) int {
		x, y := all[a], all[b]
		if x.stranger != y.stranger {
			if x.stranger {
				return -1
			}
			return 1
		}
		return cmp.Or(x.newest.Compare(y.newest), compareMAC(a, b))
	})
	return order[:min(n, len(order))]
}

// trim shortens timelines, some in each call, and reports whether there was something to shorten.
func (db *DB) trim(tx dbfile.Tx) (bool, error) {
	if db.trimAt == nil {
		if db.perPhone <= perPhoneMin {
			return false, nil
		}
		db.perPhone = max(perPhoneMin, db.perPhone*3/4)
		db.trimAt = []byte{0}
	}
	t := tx.Table(tableTimeline)
	removed := 0
	for removed < trimBatch {
		c := t.Cursor()
		k, _ := c.Seek(db.trimAt)
		if len(k) != 14 {
			db.trimAt = nil
			return true, nil
		}
		mac := dhcp.MAC(k[:6])
		first, last := ends(c, mac)
		for ; first+uint64(db.perPhone) <= last; first++ {
			if err := t.Delete(timelineKey(mac, first)); err != nil {
				return false, err
			}
			removed++
		}
		db.trimAt = timelineKey(mac, ^uint64(0))
	}
	return true, nil
}

// shrink writes a smaller file when the file is larger than its limit, or mostly empty. The newest entries stay.
func (db *DB) shrink() error {
	size, used := db.file.Size(), db.file.UsedBytes()
	if size <= db.c.MaxSize && (size < 64<<20 || used > size/2) {
		return nil
	}
	excess := max(0, len(db.phones)-db.c.Phones)
	strangers := 0
	for _, p := range db.phones {
		if p.stranger {
			strangers++
		}
	}
	excess = max(excess, strangers-db.c.Strangers)
	gone := map[dhcp.MAC]bool{}
	for _, mac := range db.oldest(db.phones, excess) {
		gone[mac] = true
		delete(db.phones, mac)
	}
	perPhone := db.c.PerPhone
	if most := float64(db.c.MaxSize) * emptyTo; float64(used) > most {
		// The pages of a file that is written in order hold more: this is a safe guess.
		perPhone = max(perPhoneMin, int(float64(perPhone)*most/float64(used)))
	}
	db.c.Log.Info("events.db is written again to make it smaller", "bytes", size, "used", used, "max_size", db.c.MaxSize)
	return db.file.Replace(Spec().Schema, int(db.c.MaxSize), func(from dbfile.Tx, to *dbfile.File) error {
		return copyPhones(from, to, gone, perPhone)
	})
}
