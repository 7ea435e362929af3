package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt maps its file and believes what it finds there: a file that is shorter than its meta page says ends the process
// with SIGBUS, a broken page with a panic in a goroutine of bbolt's own. Neither can be recovered, so every file is
// read here, page by page and without a map, before bbolt sees it. The format is bbolt's version 2.

const (
	boltMagic       = 0xED0CDAED
	boltVersion     = 2
	pageHeaderLen   = 16
	metaLen         = 64
	metaChecksumOff = 56
	branchPage      = 0x01
	leafPage        = 0x02
	bucketEntry     = 0x01
	elementLen      = 16
	bucketHeaderLen = 16
	minPageSize     = 1024
	maxPageSize     = 64 << 10
	maxTreeDepth    = 64
)

// errDamaged is wrapped by every error about what is in a file, unlike errors of reading it.
var errDamaged = errors.New("damaged")

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// meta is what a meta page says of the file.
type meta struct {
	pageSize int
	root     uint64
	pages    uint64 // number of pages in use, including free ones among them
	txid     uint64
}

// checkPages reads the whole tree of a bbolt file of this size. An empty file is a file that bbolt will initialise.
func checkPages(r io.ReaderAt, size int64) error {
	if size == 0 {
		return nil
	}
	m, err := newestMeta(r, size)
	if err != nil {
		return err
	}
	if m.pages > uint64(size)/uint64(m.pageSize) {
		return damagedf("cut short: %d bytes, but %d pages of %d bytes are in use", size, m.pages, m.pageSize)
	}
	c := &checker{r: r, meta: m, seen: make([]bool, m.pages)}
	return c.tree(m.root, nil, nil, 0)
}

// newestMeta returns the valid meta page with the highest transaction, as bbolt would choose it.
func newestMeta(r io.ReaderAt, size int64) (meta, error) {
	first, ok, err := metaAt(r, size, 0)
	if err != nil {
		return meta{}, err
	}
	if ok {
		second, ok2, err := metaAt(r, size, int64(first.pageSize))
		if err == nil && ok2 && second.txid > first.txid && second.pageSize == first.pageSize {
			first = second
		}
		return first, err
	}
	for ps := int64(minPageSize); ps <= maxPageSize; ps *= 2 {
		if m, ok, err := metaAt(r, size, ps); err != nil || ok && int64(m.pageSize) == ps {
			return m, err
		}
	}
	return meta{}, damagedf("no valid meta page in %d bytes", size)
}

func metaAt(r io.ReaderAt, size, off int64) (meta, bool, error) {
	if off+pageHeaderLen+metaLen > size {
		return meta{}, false, nil
	}
	b := make([]byte, metaLen)
	if _, err := r.ReadAt(b, off+pageHeaderLen); err != nil {
		return meta{}, false, err
	}
	u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	sum := fnv.New64a()
	sum.Write(b[:metaChecksumOff])
	m := meta{pageSize: int(u32(b[8:])), root: u64(b[16:]), pages: u64(b[40:]), txid: u64(b[48:])}
	ok := u32(b) == boltMagic && u32(b[4:]) == boltVersion && u64(b[metaChecksumOff:]) == sum.Sum64() &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize
	return m, ok, nil
}

type checker struct {
	r io.ReaderAt
	meta
	seen []bool
	bufs [maxTreeDepth][]byte // one page for each level, reused
}

// tree checks the page id and all below it; keys must be in [lo, hi), nil being no bound.
func (c *checker) tree(id uint64, lo, hi []byte, depth int) error {
	p, err := c.page(id, depth)
	if err != nil {
		return err
	}
	keys := keyOrder{id: id, last: lo, hi: hi, first: true}
	count := int(binary.NativeEndian.Uint16(p[10:]))
	if pageHeaderLen+count*elementLen > len(p) {
		return damagedf("page %d: %d elements don't fit", id, count)
	}
	if binary.NativeEndian.Uint16(p[8:]) == leafPage {
		return c.leaf(p, count, &keys, depth)
	}
	if count == 0 {
		return damagedf("branch page %d is empty", id)
	}
	for i := range count {
		key, child, err := branchElement(p, i)
		if err == nil {
			err = keys.next(key)
		}
		if err != nil {
			return err
		}
		upper := hi
		if i+1 < count {
			if upper, _, err = branchElement(p, i+1); err != nil {
				return err
			}
		}
		if err := c.tree(child, key, upper, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks the elements of a leaf page and the buckets in them.
func (c *checker) leaf(p []byte, count int, keys *keyOrder, depth int) error {
	for i := range count {
		e := p[pageHeaderLen+i*elementLen:]
		flags, pos := binary.NativeEndian.Uint32(e), uint64(binary.NativeEndian.Uint32(e[4:]))
		ksize, vsize := uint64(binary.NativeEndian.Uint32(e[8:])), uint64(binary.NativeEndian.Uint32(e[12:]))
		if pos+ksize+vsize > uint64(len(e)) {
			return damagedf("page %d: element %d lies outside", keys.id, i)
		}
		if err := keys.next(e[pos : pos+ksize]); err != nil {
			return err
		}
		if flags&bucketEntry == 0 {
			continue
		}
		if err := c.bucket(e[pos+ksize:pos+ksize+vsize], keys.id, depth); err != nil {
			return err
		}
	}
	return nil
}

// bucket checks the bucket with this header: its tree, or the page that follows the header when it is small.
func (c *checker) bucket(v []byte, id uint64, depth int) error {
	if len(v) < bucketHeaderLen {
		return damagedf("page %d: bucket header of %d bytes", id, len(v))
	}
	if root := binary.NativeEndian.Uint64(v); root != 0 {
		return c.tree(root, nil, nil, depth+1)
	}
	inline := v[bucketHeaderLen:]
	if len(inline) < pageHeaderLen || binary.NativeEndian.Uint16(inline[8:]) != leafPage {
		return damagedf("page %d: inline bucket is no leaf", id)
	}
	count := int(binary.NativeEndian.Uint16(inline[10:]))
	if pageHeaderLen+count*elementLen > len(inline) || depth+1 >= maxTreeDepth {
		return damagedf("page %d: inline bucket of %d elements doesn't fit", id, count)
	}
	return c.leaf(inline, count, &keyOrder{id: id, first: true}, depth+1)
}

func branchElement(p []byte, i int) (key []byte, child uint64, err error) {
	e := p[pageHeaderLen+i*elementLen:]
	pos, ksize := uint64(binary.NativeEndian.Uint32(e)), uint64(binary.NativeEndian.Uint32(e[4:]))
	if pos+ksize > uint64(len(e)) {
		return nil, 0, damagedf("page %d: element %d lies outside", binary.NativeEndian.Uint64(p), i)
	}
	return e[pos : pos+ksize], binary.NativeEndian.Uint64(e[8:]), nil
}

// page reads a page with its overflow and checks its header. Each page may be met once.
func (c *checker) page(id uint64, depth int) ([]byte, error) {
	if depth >= maxTreeDepth {
		return nil, damagedf("page %d: tree deeper than %d", id, maxTreeDepth)
	}
	if id < 2 || id >= c.pages {
		return nil, damagedf("page %d is not one of %d", id, c.pages)
	}
	buf := c.bufs[depth]
	if len(buf) < c.pageSize {
		buf = make([]byte, c.pageSize)
	}
	off := int64(id) * int64(c.pageSize)
	if _, err := c.r.ReadAt(buf[:c.pageSize], off); err != nil {
		return nil, err
	}
	flags, overflow := binary.NativeEndian.Uint16(buf[8:]), uint64(binary.NativeEndian.Uint32(buf[12:]))
	if got := binary.NativeEndian.Uint64(buf); got != id || flags != branchPage && flags != leafPage {
		return nil, damagedf("page %d says that it is page %d of type %#x", id, got, flags)
	}
	if overflow >= c.pages-id {
		return nil, damagedf("page %d: %d overflow pages of %d in all", id, overflow, c.pages)
	}
	for i := id; i <= id+overflow; i++ {
		if c.seen[i] {
			return nil, damagedf("page %d is used twice", i)
		}
		c.seen[i] = true
	}
	if n := int(overflow+1) * c.pageSize; n > c.pageSize {
		if len(buf) < n {
			buf = make([]byte, n)
		}
		if _, err := c.r.ReadAt(buf[:n], off); err != nil {
			return nil, err
		}
	}
	c.bufs[depth] = buf
	return buf[:int(overflow+1)*c.pageSize], nil
}

// keyOrder checks that the keys of one page rise within the bounds that the page above sets.
type keyOrder struct {
	id       uint64
	last, hi []byte
	first    bool
}

func (o *keyOrder) next(key []byte) error {
	cmp := bytes.Compare(o.last, key)
	if cmp > 0 || cmp == 0 && !o.first || o.hi != nil && bytes.Compare(key, o.hi) >= 0 {
		return damagedf("page %d: keys out of order", o.id)
	}
	o.last, o.first = key, false
	return nil
}
