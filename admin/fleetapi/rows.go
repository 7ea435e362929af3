package fleetapi

import (
	"cmp"
	"slices"
)

// placed is a value of a record of a file, with the record's position in it.
type placed[T any] struct {
	order int
	value T
}

// firsts are the first values of a file, of records that are applied in another order.
type firsts[T any] struct {
	most  int
	list  []placed[T]
	total int
}

func (f *firsts[T]) add(order int, v T) {
	f.total++
	f.list = append(f.list, placed[T]{order, v})
	if len(f.list) >= 2*f.most {
		f.cut()
	}
}

func (f *firsts[T]) cut() {
	slices.SortStableFunc(f.list, func(a, b placed[T]) int { return cmp.Compare(a.order, b.order) })
	clear(f.list[min(len(f.list), f.most):])
	f.list = f.list[:min(len(f.list), f.most)]
}

// fill adds values of another list as far as there is room. They are not counted.
func (f *firsts[T]) fill(other firsts[T]) {
	f.cut()
	other.cut()
	f.list = append(f.list, other.list[:min(len(other.list), f.most-len(f.list))]...)
}

// values returns the values in the order of the file, and how many are left out.
func (f *firsts[T]) values() (out []T, more int) {
	f.cut()
	for _, x := range f.list {
		out = append(out, x.value)
	}
	return out, max(0, f.total-f.most)
}
