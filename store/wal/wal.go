// Package log keeps small batches of bytes safe at the price of one write each: it appends to a file that was laid out
// before, so that the file system has nothing of its own to write, and past the page cache where the file system can.
// Each batch is there after a crash as a whole or not at all.
//
// It is for what cannot wait until a larger store has written it, and is no store: the file has two segments, and while
// batches go to one, the other is checkpointed, that is, its batches are put where they belong and the segment is free again.
package wal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sector is the step in which batches begin, so that writing one never touches another: what disks write whole.
const sector = 512

// first is where the segments begin: the file's own header has a page, for a file may have to be written by pages.
const first = 4096

// Sizes of a segment, in bytes.
const (
	MinSegment     = 64 << 10
	DefaultSegment = 4 << 20 // 8192 batches of one sector: checkpointing is rare, for it holds up the disk
)

const (
	fileMagic  = "plugtone journal\x01"
	batchMagic = 0x70744a31
	headLen    = 24 // magic 4, length 4, number 8, check 8
)

// ErrFull says that a batch does not fit before a segment is checkpointed.
var ErrFull = errors.New("log is full")

// ErrTooLong says that a batch does not fit into a segment at all.
var ErrTooLong = errors.New("batch is longer than a segment of the log")

// ErrDamaged says that a file is no log, or not any more.
var ErrDamaged = errors.New("no log")

// Batch is what was appended at once.
type Batch struct {
	Number uint64 // counts up by one
	Data   []byte
	end    int64 // where it ends on its segment
}

// Batches are in the order in which they were appended.
type Batches []Batch

// Last is the number of the last one, 0 if there is none.
func (b Batches) Last() uint64 {
	if len(b) == 0 {
		return 0
	}
	return b[len(b)-1].Number
}

// Whole tells whether none is missing between the first and the last.
func (b Batches) Contiguous() bool { return len(b) == 0 || b.Last()-b[0].Number == uint64(len(b)-1) }

// newest are those up to the last, as far back as none is missing: what lies before a gap may have been overtaken by what
// was in it.
func (b Batches) newest() Batches {
	i := len(b)
	for i > 0 && (i == len(b) || b[i-1].Number == b[i].Number-1) {
		i--
	}
	return b[i:]
}

// Journal is an open log. Its methods may be called from any goroutine.
type Log struct {
	file        *os.File // written, past the page cache if direct
	read        *os.File
	align       int // of writes: offset and length
	segmentSize int64
	salt        [8]byte
	table       *crc32.Table

	mu     sync.Mutex
	buf    []byte // aligned for direct writes
	number uint64 // of the last batch
	active int    // the segment that is written
	used   [2]int64
	torn   int64                                       // where a write has failed that may be on the disk all the same; 0: nowhere
	write  func(b []byte, at int64) (n int, err error) // to file; replaced in tests

	checkpointing sync.Mutex // one Checkpoint at a time
}

// Open opens the log at path. When it is missing it is made, with two segments of that many bytes; one that is there keeps its size.
// Left must be called before anything else. A file that is no log is ErrDamaged.
func Open(path string, segmentSize int) (*Log, error) {
	segmentSize = max(segmentSize, MinSegment) &^ (first - 1)
	read, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Log{read: read, segmentSize: int64(segmentSize), table: crc32.MakeTable(crc32.Castagnoli)}
	if err := l.preallocate(path); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	l.align = directAlignment(read)
	flags := os.O_WRONLY | syscall.O_DSYNC
	if l.align > 0 {
		flags |= syscall.O_DIRECT
	} else {
		l.align = sector
	}
	if l.file, err = os.OpenFile(path, flags, 0); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	l.write = l.file.WriteAt
	return l, nil
}

// directAlignment is the step in which a file can be written past the page cache; 0 if it can't.
func directAlignment(f *os.File) int {
	var x unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &x)
	if err != nil || x.Mask&unix.STATX_DIOALIGN == 0 || x.Dio_offset_align == 0 || x.Dio_offset_align > first || x.Dio_mem_align > first {
		return 0
	}
	return max(sector, int(x.Dio_offset_align))
}

// preallocate writes the header of a new file and gives it its size, with zeros: a block that was never written would cost a
// change of the file system's own records at the first batch.
func (l *Log) preallocate(path string) error {
	info, err := l.read.Stat()
	if err != nil {
		return err
	}
	have := info.Size()
	head := make([]byte, first)
	if have >= first {
		if _, err := l.read.ReadAt(head, 0); err != nil {
			return err
		}
	}
	switch {
	case string(head[:len(fileMagic)]) == fileMagic && have >= first+2*MinSegment:
		copy(l.salt[:], head[len(fileMagic):])
		l.segmentSize = (have - first) / 2 &^ (first - 1)
		return nil
	case slices.ContainsFunc(head, func(b byte) bool { return b != 0 }):
		return fmt.Errorf("%s: %w", path, ErrDamaged)
	}
	zero := make([]byte, 64<<10)
	for at := int64(0); at < first+2*l.segmentSize; {
		n := min(int64(len(zero)), first+2*l.segmentSize-at)
		if _, err := l.read.WriteAt(zero[:n], at); err != nil {
			return fmt.Errorf("lay out: %w", err)
		}
		at += n
	}
	if err := l.read.Sync(); err != nil {
		return err
	}
	// The header comes last: a file that has one has its size, and needs no room on a full disk.
	rand.Read(l.salt[:]) // never fails
	copy(head[copy(head, fileMagic):], l.salt[:])
	if _, err := l.read.WriteAt(head, 0); err != nil {
		return err
	}
	if err := l.read.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Left finds the batches after that number, which were not checkpointed before the file was opened, and lets appending go on
// behind the last of them. With 0 nobody knows what was checkpointed: then it is the newest, as far back as none is missing.
func (l *Log) Recover(after uint64) (left Batches, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number = after
	for segment := range 2 {
		found, err := l.scan(segment, l.segmentSize)
		if err != nil {
			return nil, err
		}
		for _, b := range found {
			if b.Number <= after {
				continue // checkpointed
			}
			left = append(left, b)
			l.used[segment] = max(l.used[segment], int64(roundUp(int(b.end), l.align)))
			if b.Number > l.number {
				l.number, l.active = b.Number, segment
			}
		}
	}
	slices.SortFunc(left, func(a, b Batch) int { return cmp.Compare(a.Number, b.Number) })
	if after == 0 {
		left = left.newest()
	}
	return left, nil
}

// scan reads the whole batches within the first bytes of one segment.
func (l *Log) scan(segment int, bytes int64) ([]Batch, error) {
	b := make([]byte, bytes)
	if _, err := l.read.ReadAt(b, first+int64(segment)*l.segmentSize); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var found []Batch
	for at := int64(0); at+sector <= bytes; {
		batch, size := l.parse(b[at:])
		if size == 0 {
			at += sector
			continue
		}
		at += int64(size)
		batch.end = at
		found = append(found, batch)
	}
	return found, nil
}

// parse reads the batch at the beginning of b and how much room it takes; 0 if there is none.
func (l *Log) parse(b []byte) (Batch, int) {
	if binary.BigEndian.Uint32(b) != batchMagic {
		return Batch{}, 0
	}
	n := int64(binary.BigEndian.Uint32(b[4:]))
	if n > int64(len(b)-headLen) || binary.BigEndian.Uint64(b[16:]) != l.check(b[:16], b[headLen:headLen+n]) {
		return Batch{}, 0
	}
	return Batch{Number: binary.BigEndian.Uint64(b[8:]), Data: b[headLen : headLen+n : headLen+n]}, roundUp(headLen+int(n), sector)
}

// check is a sum over a batch that starts from the file's own salt: what a client sends can't look like a batch of its own
// when a longer one is overwritten in part.
func (l *Log) check(head, data []byte) uint64 {
	a := crc32.Update(crc32.Checksum(l.salt[:4], l.table), l.table, head)
	b := crc32.Update(crc32.Checksum(l.salt[4:], crc32.IEEETable), crc32.IEEETable, head)
	return uint64(crc32.Update(a, l.table, data))<<32 | uint64(crc32.Update(b, crc32.IEEETable, data))
}

// Append makes one batch durable: when it returns nil, the batch survives the loss of power. rotated is true when the other
// segment is to be checkpointed from now on. After an error the batch counts as never written, but for a crash before the next is.
func (l *Log) Append(data []byte) (rotated bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int64(roundUp(headLen+len(data), l.align))
	if size > l.segmentSize {
		return false, ErrTooLong
	}
	if l.used[l.active]+size > l.segmentSize {
		if l.used[1-l.active] > 0 {
			return false, ErrFull
		}
		l.active, rotated = 1-l.active, true
	}
	at := first + int64(l.active)*l.segmentSize + l.used[l.active]
	if l.torn != at {
		if err := l.clearTorn(); err != nil {
			return rotated, err
		}
	}
	b := l.aligned(int(size))
	binary.BigEndian.PutUint32(b, batchMagic)
	binary.BigEndian.PutUint32(b[4:], uint32(len(data)))
	binary.BigEndian.PutUint64(b[8:], l.number+1)
	copy(b[headLen:], data)
	clear(b[headLen+len(data):])
	binary.BigEndian.PutUint64(b[16:], l.check(b[:16], data))
	if _, err := l.write(b, at); err != nil {
		l.torn = at // the next batch that fits takes the same place
		return rotated, err
	}
	l.torn = 0
	l.number++
	l.used[l.active] += size
	return rotated, nil
}

// mend makes sure that a batch whose write has failed is not found some day beside the one that got its number.
func (l *Log) clearTorn() error {
	if l.torn == 0 {
		return nil
	}
	b := l.aligned(roundUp(headLen, l.align))
	clear(b)
	if _, err := l.write(b, l.torn); err != nil {
		return err
	}
	l.torn = 0
	return nil
}

// aligned returns size bytes whose address suits direct writes.
func (l *Log) aligned(size int) []byte {
	if cap(l.buf) < size {
		b := make([]byte, size+first)
		skip := -uintptr(unsafe.Pointer(&b[0])) & (first - 1)
		l.buf = b[skip : int(skip)+size : int(skip)+size]
	}
	return l.buf[:size]
}

// Checkpoint calls f with the batches of the segment that is not written, and frees the segment when f returns nil: f has then put
// them somewhere durable, with the number of the last. f is not called when there are none.
func (l *Log) Checkpoint(f func(Batches) error) error {
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	l.mu.Lock()
	segment := 1 - l.active
	bytes := l.used[segment]
	l.mu.Unlock()
	batches, err := l.scan(segment, bytes)
	if err != nil || len(batches) == 0 {
		return err
	}
	if err := f(batches); err != nil {
		return err
	}
	l.mu.Lock()
	l.used[segment] = 0
	l.mu.Unlock()
	return nil
}

// CheckpointAll is Checkpoint for both segments. Nothing is appended meanwhile.
func (l *Log) CheckpointAll(f func(Batches) error) error {
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	batches, err := l.pending()
	if err != nil || len(batches) == 0 {
		return err
	}
	if err := f(batches); err != nil {
		return err
	}
	l.used = [2]int64{}
	return nil
}

// Pending returns the batches that no Checkpoint has freed yet, in order.
func (l *Log) Pending() (Batches, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending()
}

func (l *Log) pending() (Batches, error) {
	older, err := l.scan(1-l.active, l.used[1-l.active])
	if err != nil {
		return nil, err
	}
	newer, err := l.scan(l.active, l.used[l.active])
	return append(older, newer...), err
}

// Close closes the file. What is not checkpointed stays in it.
func (l *Log) Close() error { return errors.Join(l.file.Close(), l.read.Close()) }

// Size is the size of the file in bytes.
func (l *Log) Size() int64 { return first + 2*l.segmentSize }

func roundUp(n, align int) int { return (n + align - 1) / align * align }
