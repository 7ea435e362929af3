package powerloss

import (
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// Fate is what becomes of what is not durable.
type Fate int

// The fates.
const (
	Lost      Fate = iota // all of it is lost
	Kept                  // all of it is there, as after kill -9
	Reordered             // some writes are there whole, others not at all; names are lost from one change of names on
	Torn                  // each sector and each change of names is there or not
	LastOnly              // of each file only the newest write is there
)

// Fates returns all fates.
func Fates() []Fate { return []Fate{Lost, Kept, Reordered, Torn, LastOnly} }

func (f Fate) String() string {
	return [...]string{"lost", "kept", "reordered", "torn", "last only"}[f]
}

// Image is the folder as it is after a loss of power.
type Image struct {
	Hash uint64 // equal for equal images

	names tree
	root  *node
	files map[*node]blob
}

// At returns the folder after a loss of power at a moment. r decides for the fates that leave something open.
func (t *Trace) At(moment int, fate Fate, r *rand.Rand) *Image {
	i := &Image{names: t.namesAt(moment, fate, r), root: t.root, files: map[*node]blob{}}
	var h maphash.Hash
	h.SetSeed(seed)
	i.walk(t.root, "", func(path string, n *node) {
		maphash.WriteComparable(&h, path)
		if n.isDir {
			return
		}
		if _, ok := i.files[n]; !ok {
			i.files[n] = n.at(moment, fate, r)
		}
		i.files[n].hash(&h)
	})
	i.Hash = h.Sum64()
	return i
}

var seed = maphash.MakeSeed()

func (t *Trace) namesAt(moment int, fate Fate, r *rand.Rand) tree {
	names := t.initial.clone()
	var changes []*rename
	durable := 0 // all before it are durable, or older than one that is
	for _, c := range t.names {
		if c.begin > moment {
			break
		}
		changes = append(changes, c)
		if c.durable <= moment {
			durable = len(changes)
		}
	}
	cut := durable + r.IntN(len(changes)-durable+1)
	for n, c := range changes {
		keep := c.durable <= moment
		switch fate {
		case Kept:
			keep = true
		case Reordered:
			keep = n < cut
		case Torn, LastOnly:
			keep = keep || r.IntN(2) == 0
		}
		if keep {
			names.apply(c)
		}
	}
	return names
}

// at returns a file's content after a loss of power.
func (n *node) at(moment int, fate Fate, r *rand.Rand) blob {
	first := n.fold(moment)
	b := n.base.clone()
	last := first - 1
	for last+1 < len(n.writes) && n.writes[last+1].begin <= moment {
		last++
	}
	for i := first; i <= last; i++ {
		w := n.writes[i]
		switch {
		case w.durable <= moment || fate == Kept || fate == LastOnly && i == last:
			w.apply(&b)
		case fate == Reordered && r.IntN(2) == 0:
			w.apply(&b)
		case fate == Torn && w.truncate && r.IntN(2) == 0:
			w.apply(&b)
		case fate == Torn && !w.truncate:
			w.tear(&b, r)
		}
	}
	return b
}

// fold applies the durable writes that no other precedes to base and returns how many they are.
func (n *node) fold(moment int) int {
	if moment < n.foldedAt || n.foldedAt == 0 {
		n.base, n.folded = n.initial.clone(), 0
	}
	n.foldedAt = moment
	for n.folded < len(n.writes) && n.writes[n.folded].durable <= moment {
		n.writes[n.folded].apply(&n.base)
		n.folded++
	}
	return n.folded
}

// tear writes some of the sectors of a write. The file may get its new size without them.
func (w write) tear(b *blob, r *rand.Rand) {
	for at := int64(0); at < int64(len(w.data)); {
		n := min(sector-(w.off+at)%sector, int64(len(w.data))-at)
		if r.IntN(2) == 0 {
			b.write(w.off+at, w.data[at:at+n])
		}
		at += n
	}
	if end := w.off + int64(len(w.data)); end > b.size && r.IntN(4) == 0 {
		b.size = end
	}
}

func (i *Image) walk(dir *node, path string, f func(string, *node)) {
	for _, name := range slices.Sorted(maps.Keys(i.names[dir])) {
		n := i.names[dir][name]
		at := filepath.Join(path, name)
		f(at, n)
		if n.isDir {
			i.walk(n, at, f)
		}
	}
}

// Write writes the files into an empty folder.
func (i *Image) Write(dir string) (err error) {
	i.walk(i.root, "", func(path string, n *node) {
		switch {
		case err != nil:
		case n.isDir:
			err = os.Mkdir(filepath.Join(dir, path), 0o700)
		default:
			err = i.files[n].put(filepath.Join(dir, path))
		}
	})
	return err
}

// Acked returns how many acknowledgements the program had written at a moment.
func (t *Trace) Acked(moment int) int {
	n := 0
	for n < len(t.Acks) && t.Acks[n].Moment <= moment {
		n++
	}
	return n
}
