// Package wal is a write-ahead log: it makes small batches of bytes durable at the price of one write each. It appends to
// a file that was preallocated, so that the file system has nothing of its own to write, and past the page cache where the
// file system can. After a crash each batch is there as a whole or not at all.
//
// It is for what cannot wait until a database has written it, and is no database. The file has two segments. While batches
// go to one, the other is checkpointed: its batches are written to the database, and the segment is free again.
package wal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sector   = 512  // disks write a sector whole: batches begin at a multiple, so that writing one never touches another
	pageSize = 4096 // of the header and of direct writes
)

// Sizes of a segment, in bytes.
const (
	MinSegment     = 64 << 10
	DefaultSegment = 4 << 20 // 8192 batches of one sector: checkpoints are rare, for they keep the disk busy
)

const (
	batchMagic = 0x70744a31
	batchHead  = 24 // magic 4, length 4, number 8, check 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors of Open and Append.
var (
	ErrFull    = errors.New("log is full")                           // until a segment is checkpointed
	ErrTooLong = errors.New("batch is longer than a segment")        // it never fits
	ErrDamaged = errors.New("no log")                                // or not any more
	ErrForeign = errors.New("log belongs to another data directory") // its identity differs
)

// Batch is what was appended at once.
type Batch struct {
	Number uint64 // counts up by one
	Data   []byte
	end    int64 // where it ends in its segment
}

// Batches are in the order in which they were appended.
type Batches []Batch

// Last returns the number of the last batch, 0 if there is none.
func (b Batches) Last() uint64 {
	if len(b) == 0 {
		return 0
	}
	return b[len(b)-1].Number
}

// Contiguous reports whether no batch is missing between the first and the last.
func (b Batches) Contiguous() bool { return len(b) == 0 || b.Last()-b[0].Number == uint64(len(b)-1) }

// newest returns the batches up to the last, as far back as none is missing: what is before a gap may have been
// overtaken by what was in it.
func (b Batches) newest() Batches {
	i := len(b)
	for i > 0 && (i == len(b) || b[i-1].Number == b[i].Number-1) {
		i--
	}
	return b[i:]
}

// Log is an open log. Its methods may be called from any goroutine.
type Log struct {
	header  header
	file    *os.File // written, past the page cache if direct
	read    *os.File
	align   int // of offset and length of each write
	created bool
	damage  []string

	mu     sync.Mutex
	buf    []byte // aligned for direct writes
	number uint64 // of the last batch
	active int    // the segment that is written
	used   [2]int64
	torn   int64                                       // where a write failed that may be on the disk all the same; 0: nowhere
	write  func(b []byte, at int64) (n int, err error) // to file; replaced in tests

	checkpointing sync.Mutex // one checkpoint at a time
}

// Open opens the log at path. A missing one is made, with two segments of that many bytes; an existing one keeps its size.
// id is stored in a new log and must be that of an existing one. The caller must call Recover before anything else.
func Open(path string, segment int, id Identity) (*Log, error) {
	read, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Log{read: read}
	if err := l.prepare(path, int64(max(segment, MinSegment)&^(pageSize-1)), id); err != nil {
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

// Created reports whether Open made the log.
func (l *Log) Created() bool { return l.created }

// Damage returns what Open and Recover found wrong with the file.
func (l *Log) Damage() []string { return l.damage }

// directAlignment returns the alignment at which a file can be written past the page cache, 0 if it can't.
func directAlignment(f *os.File) int {
	var x unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &x)
	if err != nil || x.Mask&unix.STATX_DIOALIGN == 0 || x.Dio_offset_align == 0 || x.Dio_offset_align > pageSize || x.Dio_mem_align > pageSize {
		return 0
	}
	return max(sector, int(x.Dio_offset_align))
}

// Recover returns the batches after that number, which were not checkpointed before the log was opened, and lets appending
// go on behind the last of them. With 0 it is not known what was checkpointed: then Recover returns the newest batches, as
// far back as none is missing.
func (l *Log) Recover(after uint64) (found Batches, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number = after
	var broken []uint64
	for segment := range 2 {
		batches, bad, err := l.scan(segment, l.header.segment)
		if err != nil {
			return nil, err
		}
		broken = append(broken, bad...)
		for _, b := range batches {
			if b.Number <= after {
				continue // checkpointed
			}
			found = append(found, b)
			l.used[segment] = max(l.used[segment], int64(roundUp(int(b.end), l.align)))
			if b.Number > l.number {
				l.number, l.active = b.Number, segment
			}
		}
	}
	slices.SortFunc(found, func(a, b Batch) int { return cmp.Compare(a.Number, b.Number) })
	if after == 0 {
		found = found.newest()
	}
	if !found.Contiguous() || after > 0 && len(found) > 0 && found[0].Number != after+1 {
		l.damage = append(l.damage, "batches are missing in it")
	} else if slices.Contains(broken, l.number+1) {
		l.damage = append(l.damage, fmt.Sprintf("its last batch, number %d, is damaged", l.number+1))
	}
	return found, nil
}

// scan reads the whole batches within the first bytes of one segment. broken are the numbers of those batches of one
// sector that are damaged: the loss of power leaves a sector as it was or as it was to be.
func (l *Log) scan(segment int, bytes int64) (found []Batch, broken []uint64, err error) {
	b := make([]byte, bytes)
	if _, err := l.read.ReadAt(b, l.offset(segment)); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	for at := int64(0); at+sector <= bytes; {
		batch, size := l.parse(b[at:])
		if size == 0 {
			if binary.BigEndian.Uint32(b[at:]) == batchMagic && binary.BigEndian.Uint32(b[at+4:]) <= sector-batchHead {
				broken = append(broken, binary.BigEndian.Uint64(b[at+8:]))
			}
			at += sector
			continue
		}
		at += int64(size)
		batch.end = at
		found = append(found, batch)
	}
	return found, broken, nil
}

func (l *Log) offset(segment int) int64 { return pageSize + int64(segment)*l.header.segment }

// parse reads the batch at the beginning of b and how much room it takes; 0 if there is none.
func (l *Log) parse(b []byte) (Batch, int) {
	if binary.BigEndian.Uint32(b) != batchMagic {
		return Batch{}, 0
	}
	n := int64(binary.BigEndian.Uint32(b[4:]))
	if n > int64(len(b)-batchHead) || binary.BigEndian.Uint64(b[16:]) != l.check(b[:16], b[batchHead:batchHead+n]) {
		return Batch{}, 0
	}
	return Batch{Number: binary.BigEndian.Uint64(b[8:]), Data: b[batchHead : batchHead+n : batchHead+n]}, roundUp(batchHead+int(n), sector)
}

// check is a sum over a batch that starts from the file's own salt: what a client sends can't look like a batch of its own
// when a longer one is overwritten in part.
func (l *Log) check(head, data []byte) uint64 {
	salt := l.header.salt
	a := crc32.Update(crc32.Checksum(salt[:4], castagnoli), castagnoli, head)
	b := crc32.Update(crc32.Checksum(salt[4:], crc32.IEEETable), crc32.IEEETable, head)
	return uint64(crc32.Update(a, castagnoli, data))<<32 | uint64(crc32.Update(b, crc32.IEEETable, data))
}

// Append makes one batch durable: when it returns nil, the batch survives the loss of power. rotated is true when the other
// segment is to be checkpointed from now on. After an error the batch counts as never written, but for a crash before the
// next is.
func (l *Log) Append(data []byte) (rotated bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int64(roundUp(batchHead+len(data), l.align))
	if size > l.header.segment {
		return false, ErrTooLong
	}
	if l.used[l.active]+size > l.header.segment {
		if l.used[1-l.active] > 0 {
			return false, ErrFull
		}
		l.active, rotated = 1-l.active, true
	}
	at := l.offset(l.active) + l.used[l.active]
	if l.torn != at {
		if err := l.clearTorn(); err != nil {
			return rotated, err
		}
	}
	b := l.aligned(int(size))
	binary.BigEndian.PutUint32(b, batchMagic)
	binary.BigEndian.PutUint32(b[4:], uint32(len(data)))
	binary.BigEndian.PutUint64(b[8:], l.number+1)
	copy(b[batchHead:], data)
	clear(b[batchHead+len(data):])
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

// clearTorn makes sure that a batch whose write failed is never found together with the one that got its number.
func (l *Log) clearTorn() error {
	if l.torn == 0 {
		return nil
	}
	b := l.aligned(roundUp(batchHead, l.align))
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
		b := make([]byte, size+pageSize)
		skip := -uintptr(unsafe.Pointer(&b[0])) & (pageSize - 1)
		l.buf = b[skip : int(skip)+size : int(skip)+size]
	}
	return l.buf[:size]
}

// Checkpoint calls f with the batches of the segment that is not written, and frees the segment when f returns nil: f has
// then stored them durably, with the number of the last. f is not called when there are none.
func (l *Log) Checkpoint(f func(Batches) error) error {
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	l.mu.Lock()
	segment := 1 - l.active
	bytes := l.used[segment]
	l.mu.Unlock()
	batches, _, err := l.scan(segment, bytes)
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

// Pending returns the batches that are not checkpointed, in order.
func (l *Log) Pending() (Batches, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending()
}

func (l *Log) pending() (Batches, error) {
	older, _, err := l.scan(1-l.active, l.used[1-l.active])
	if err != nil {
		return nil, err
	}
	newer, _, err := l.scan(l.active, l.used[l.active])
	return append(older, newer...), err
}

// Close closes the file. What is not checkpointed stays in it.
func (l *Log) Close() error { return errors.Join(l.file.Close(), l.read.Close()) }

// Size returns the size of the file in bytes.
func (l *Log) Size() int64 { return l.header.fileSize() }

func roundUp(n, align int) int { return (n + align - 1) / align * align }
