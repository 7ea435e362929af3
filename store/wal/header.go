package wal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// The first page of the file is its header. A copy of it is the last page: when one is damaged the other is used. A log
// that was made before there were copies has neither identity, segment size nor checksum in its header.
const (
	fileMagic   = "plugtone journal\x01"
	saltAt      = len(fileMagic)
	identityAt  = saltAt + 8
	segmentAt   = identityAt + 16
	headerSumAt = segmentAt + 8
	headerLen   = headerSumAt + 4
)

// Identity names the data directory that a log belongs to.
type Identity [16]byte

type header struct {
	salt     [8]byte
	identity Identity
	segment  int64
}

func (h header) page() []byte {
	b := make([]byte, pageSize)
	copy(b, fileMagic)
	copy(b[saltAt:], h.salt[:])
	copy(b[identityAt:], h.identity[:])
	binary.BigEndian.PutUint64(b[segmentAt:], uint64(h.segment))
	binary.BigEndian.PutUint32(b[headerSumAt:], crc32.Checksum(b[:headerSumAt], castagnoli))
	return b
}

// parseHeader reads a page. old is true for a header without a checksum.
func parseHeader(b []byte) (h header, old, ok bool) {
	if !bytes.HasPrefix(b, []byte(fileMagic)) || len(b) < headerLen {
		return h, false, false
	}
	copy(h.salt[:], b[saltAt:])
	copy(h.identity[:], b[identityAt:])
	h.segment = int64(binary.BigEndian.Uint64(b[segmentAt:]))
	if isZero(b[identityAt:headerLen]) {
		return h, true, true
	}
	sum := binary.BigEndian.Uint32(b[headerSumAt:])
	return h, false, sum == crc32.Checksum(b[:headerSumAt], castagnoli) && h.segment >= MinSegment && h.segment%pageSize == 0
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func (h header) fileSize() int64 { return 2*pageSize + 2*h.segment }

// prepare brings the file into the form that Append needs: it makes a new one, repairs what can be repaired and notes what
// was wrong.
func (l *Log) prepare(path string, segment int64, id Identity) error {
	info, err := l.read.Stat()
	if err != nil {
		return err
	}
	have := info.Size()
	first, last := make([]byte, pageSize), make([]byte, pageSize)
	if err := readPage(l.read, first, 0); err != nil {
		return err
	}
	if err := readPage(l.read, last, max(0, have-pageSize)); err != nil {
		return err
	}
	h, old, ok := parseHeader(first)
	switch {
	case ok && old:
		h.segment = (have - pageSize) / 2 &^ (pageSize - 1)
		if h.segment < MinSegment {
			return fmt.Errorf("%s: %w", path, ErrDamaged)
		}
		h.identity = id
	case ok:
	default:
		fromCopy := false
		if h, old, ok = parseHeader(last); ok && !old && have == h.fileSize() {
			fromCopy, have = true, have-pageSize
		}
		empty, err := isEmpty(io.NewSectionReader(l.read, 0, have))
		if err != nil {
			return err
		}
		if fromCopy && !empty {
			l.damage = append(l.damage, "its first page was damaged and has been restored from the copy at its end: nothing of it is lost")
			break
		}
		if !empty {
			return fmt.Errorf("%s: %w", path, ErrDamaged)
		}
		// The process may have ended while it made the file: the header comes last.
		h = header{identity: id, segment: segment}
		rand.Read(h.salt[:]) // never fails
		l.created, have = true, 0
	}
	if h.identity != id {
		return fmt.Errorf("%s: %w", path, ErrForeign)
	}
	l.header = h
	size := h.fileSize()
	if have < size-pageSize && !l.created {
		l.damage = append(l.damage, fmt.Sprintf("it was cut short, to %d of %d bytes", have, size))
	}
	if have == size && bytes.Equal(first, h.page()) && bytes.Equal(last, first) {
		return nil
	}
	return l.preallocate(path, have)
}

// readPage reads a page; what is behind the end of the file is zeros.
func readPage(f io.ReaderAt, page []byte, at int64) error {
	if _, err := f.ReadAt(page, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Unused returns the identity of a log to which nothing was ever appended. ok is false when there is no such log.
func Unused(path string) (id Identity, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return id, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return id, false
	}
	for _, at := range []int64{0, max(0, info.Size()-pageSize)} { // the copy at the end is written first
		page := make([]byte, pageSize)
		if err := readPage(f, page, at); err != nil {
			return id, false
		}
		if h, old, ok := parseHeader(page); ok && !old {
			unused, err := isEmpty(io.NewSectionReader(f, pageSize, 2*h.segment))
			return h.identity, err == nil && unused
		}
	}
	return id, false
}

// isEmpty reports whether there is nothing but zeros.
func isEmpty(r io.Reader) (bool, error) {
	for b := make([]byte, 64<<10); ; {
		n, err := r.Read(b)
		if !isZero(b[:n]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// preallocate writes zeros from byte from on and the header twice. A block that was never written would cost a change of
// the file system's own records at the first batch. The file has its size on disk before it has a header, and the header at the
// beginning comes last: a file that has one needs no room on a full disk.
func (l *Log) preallocate(path string, from int64) error {
	size := l.header.fileSize()
	zero := make([]byte, 64<<10)
	for at := from; at < size; {
		n := min(int64(len(zero)), size-at)
		if _, err := l.read.WriteAt(zero[:n], at); err != nil {
			return fmt.Errorf("preallocate: %w", err)
		}
		at += n
	}
	if err := l.read.Sync(); err != nil {
		return err
	}
	for _, at := range []int64{size - pageSize, 0} {
		if _, err := l.read.WriteAt(l.header.page(), at); err != nil {
			return fmt.Errorf("preallocate: %w", err)
		}
		if err := l.read.Sync(); err != nil {
			return err
		}
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
