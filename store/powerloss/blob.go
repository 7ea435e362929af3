package powerloss

import (
	"bytes"
	"hash/maphash"
	"maps"
	"os"
	"slices"
)

const (
	sector = 512
	page   = 4096
)

// blob is the content of a file. Pages of zeros are left out; no page is changed once it is in a blob.
type blob struct {
	size  int64
	pages map[int64][]byte
}

func newBlob(b []byte) blob {
	out := blob{pages: map[int64][]byte{}}
	out.write(0, b)
	return out
}

func (b blob) clone() blob { return blob{b.size, maps.Clone(b.pages)} }

// write writes data at off.
func (b *blob) write(off int64, data []byte) {
	for len(data) > 0 {
		n := min(page-off%page, int64(len(data)))
		p := make([]byte, page)
		copy(p, b.pages[off/page])
		copy(p[off%page:], data[:n])
		b.pages[off/page] = p
		off, data = off+n, data[n:]
	}
	b.size = max(b.size, off)
}

// truncate sets the size; what is new is zeros.
func (b *blob) truncate(size int64) {
	for n, p := range b.pages {
		switch at := n * page; {
		case at >= size:
			delete(b.pages, n)
		case at+page > size:
			short := make([]byte, page)
			copy(short, p[:size-at])
			b.pages[n] = short
		}
	}
	b.size = size
}

// read returns n bytes from off on.
func (b blob) read(off, n int64) []byte {
	out := make([]byte, n)
	for i := int64(0); i < n; {
		at := off + i
		k := min(page-at%page, n-i)
		if p := b.pages[at/page]; p != nil {
			copy(out[i:i+k], p[at%page:])
		}
		i += k
	}
	return out
}

var zeros = make([]byte, page)

// put writes the file at path.
func (b blob) put(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for n, p := range b.pages {
		if !bytes.Equal(p, zeros) {
			if _, err := f.WriteAt(p[:min(page, b.size-n*page)], n*page); err != nil {
				return err
			}
		}
	}
	if err := f.Truncate(b.size); err != nil {
		return err
	}
	return f.Close()
}

func (b blob) hash(h *maphash.Hash) {
	maphash.WriteComparable(h, b.size)
	for _, n := range slices.Sorted(maps.Keys(b.pages)) {
		if p := b.pages[n]; !bytes.Equal(p, zeros) {
			maphash.WriteComparable(h, n)
			_, _ = h.Write(p) // never fails
		}
	}
}
