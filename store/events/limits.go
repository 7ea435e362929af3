package events

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
)

// The file is kept below its limit by what is in it: from fullAt on timelines go until it is down to emptyTo. The rest is
// room for the pages that one transaction needs besides.
const (
	fullAt  = 0.75
	emptyTo = 0.65
)

// timelines are the timelines in the file, and how they are kept below the limits.
type timelines struct {
	c        *Config
	file     *dbfile.File
	phones   map[dhcp.MAC]phone
	perPhone int    // entries of a timeline, fewer than configured when the file is full
	trimAt   []byte // where trimming goes on
}

// phone is a timeline in the file.
type phone struct {
	newest   time.Time
	stranger bool
}

// load reads which timelines there are and returns the largest number of an entry.
func (t *timelines) load() (last uint64, err error) {
	err = t.file.View(func(tx dbfile.Tx) error {
		t.phones, last = loadPhones(tx)
		return nil
	})
	if err != nil {
		return 0, err
	}
	recorded, err := t.c.recorded(slices.Collect(maps.Keys(t.phones)))
	for mac, p := range t.phones {
		p.stranger = !recorded[mac]
		t.phones[mac] = p
	}
	return last, err
}

// pagesPerPhone is how many pages a transaction needs for each timeline that it extends: that of its end and that of its
// beginning, as they were and as they will be.
const pagesPerPhone = 4

// chunkSize is how many timelines one transaction may extend: the pages that it needs besides are a tenth of the limit.
func (t *timelines) chunkSize() int {
	return max(16, int(t.c.MaxSize/10)/(pagesPerPhone*os.Getpagesize()))
}

// perPhoneMin is how many entries a recorded phone keeps in a full file.
const perPhoneMin = 10

// roomSteps is how many transactions of makeRoom one write waits for.
const roomSteps = 64

// excess returns how many timelines there are too many, and some more, so that not every flush sorts them all.
func (t *timelines) excess() int {
	excess := len(t.phones) - t.c.Phones
	if excess > 0 {
		excess += t.c.Phones / 50
	}
	strangers := t.strangersInFile()
	if most := t.c.Strangers; strangers > most {
		excess = max(excess, min(strangers, strangers-most+most/50))
	}
	return excess
}

func (t *timelines) strangersInFile() (n int) {
	for _, p := range t.phones {
		if p.stranger {
			n++
		}
	}
	return n
}

// evict removes the timelines and fetches of n phones: those of strangers first, of these and of the others the ones that
// were quiet for longest.
func (t *timelines) evict(tx dbfile.Tx, n int) error {
	for _, mac := range oldest(t.phones, n) {
		if err := errors.Join(removeUnder(tx.Table(tableTimeline), mac), removeUnder(tx.Table(tableFetches), mac)); err != nil {
			return err
		}
		delete(t.phones, mac)
	}
	return nil
}

// oldest returns n phones: strangers before others, those that were quiet for longest first.
func oldest(all map[dhcp.MAC]phone, n int) []dhcp.MAC {
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

// makeRoom removes what is oldest while the file is full. Recorded phones get shorter timelines before one of them loses
// its own. Each step has a transaction of its own, which needs few pages.
func (t *timelines) makeRoom() error {
	for range roomSteps {
		used, limit := float64(t.file.UsedBytes()), float64(t.c.MaxSize)
		if used < fullAt*limit {
			return nil
		}
		share := 1 - emptyTo*limit/used
		n := min(t.chunkSize(), int(share*float64(len(t.phones)))+1)
		err := t.file.Update(func(tx dbfile.Tx) error {
			if strangers := t.strangersInFile(); strangers > 0 {
				return t.evict(tx, min(n, strangers))
			}
			if t.perPhone > perPhoneMin || t.trimAt != nil {
				return t.trim(tx)
			}
			return t.evict(tx, n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trim shortens some timelines. When all are as short as they may be, the next calls make them shorter still.
func (t *timelines) trim(tx dbfile.Tx) error {
	if t.trimAt == nil {
		t.perPhone = max(perPhoneMin, t.perPhone*3/4)
		t.trimAt = []byte{0}
	}
	table := tx.Table(tableTimeline)
	c := table.Cursor()
	var surplus [][]byte // found before one is deleted: a cursor may lose its place in a page that has become empty
	k, _ := c.Seek(t.trimAt)
	for n := 0; len(k) == 14 && n < t.chunkSize(); n++ {
		mac := dhcp.MAC(k[:6])
		first, last := ends(c, mac)
		for ; first+uint64(t.perPhone) <= last; first++ {
			surplus = append(surplus, timelineKey(mac, first))
		}
		t.trimAt = timelineKey(mac, ^uint64(0))
		k, _ = c.Seek(t.trimAt)
	}
	if len(k) != 14 {
		t.trimAt = nil
	}
	for _, key := range surplus {
		if err := table.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// shrink writes a smaller file when the file is larger than its limit, or mostly empty. The newest entries stay.
func (t *timelines) shrink() error {
	size, used := t.file.Size(), t.file.UsedBytes()
	if size <= t.c.MaxSize && (size < 64<<20 || used > size/2) {
		return nil
	}
	gone := map[dhcp.MAC]bool{}
	for _, mac := range oldest(t.phones, t.excess()) {
		gone[mac] = true
		delete(t.phones, mac)
	}
	perPhone := t.c.PerPhone
	if most := float64(t.c.MaxSize) * emptyTo; float64(used) > most {
		// The pages of a file that is written in order hold more: this is a safe guess.
		perPhone = max(perPhoneMin, int(float64(perPhone)*most/float64(used)))
	}
	t.c.Log.Info("events.db is written again to make it smaller", "bytes", size, "used", used, "max_size", t.c.MaxSize)
	return t.file.Replace(Spec().Schema, int(t.c.MaxSize), func(from dbfile.Tx, to *dbfile.File) error {
		return copyPhones(from, to, gone, perPhone)
	})
}
