package copies

import (
	"crypto/rand"
	"sync"
)

// journal has the newest items that this member has received from phones, in order.
type journal[T any] struct {
	run string // names this process: positions of an earlier one mean nothing

	mu    sync.Mutex
	next  uint64        // number of the next item
	last  []T           // number n is at n % journalLength
	added chan struct{} // is closed with the next item
}

func newJournal[T any]() *journal[T] {
	return &journal[T]{run: rand.Text(), added: make(chan struct{})}
}

// add notes an item.
func (j *journal[T]) add(v T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.last) < journalLength {
		j.last = append(j.last, v)
	} else {
		j.last[j.next%journalLength] = v
	}
	j.next++
	close(j.added)
	j.added = make(chan struct{})
}

// since returns the items from number on, and the number of the next one. lost reports that some are gone, or that the number is of another
// run; next is then a number from which on there are items, some of which may not be on disk yet. more is closed with the next item.
func (j *journal[T]) since(run string, number uint64) (items []T, next uint64, lost bool, more <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if run != j.run || number > j.next || j.next-number > uint64(len(j.last)) {
		return nil, j.next - uint64(min(len(j.last), journalLength/2)), true, j.added
	}
	end := min(j.next, number+pageItems)
	for n := number; n < end; n++ {
		items = append(items, j.last[n%journalLength])
	}
	return items, end, false, j.added
}
