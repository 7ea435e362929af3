// Package journal keeps small batches of bytes safe at the price of one write each: it appends to a file that was laid out
// before, so that the file system has nothing of its own to write, and past the page cache where the file system can.
// Each batch is there after a crash as a whole or not at all.
//
// It is for what cannot wait until a larger store has written it, and is no store: the file has two sides, and while
// batches go to one, the other is settled, that is, its batches are put where they belong and the side is free again.
package journal

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

// first is where the sides begin: the file's own header has a page, for a file may have to be written by pages.
const first = 4096

// Sizes of a side, in bytes.
const (
	MinSide     = 64 << 10
	DefaultSide = 4 << 20 // 8192 batches of one sector: settling is rare, for it holds up the disk
)

const (
	fileMagic  = "plugtone journal\x01"
	batchMagic = 0x70744a31
	headLen    = 24 // magic 4, length 4, number 8, check 8
)

// ErrFull says that a batch does not fit before a side is settled.
var ErrFull = errors.New("journal is full")

// ErrTooLong says that a batch does not fit into a side at all.
var ErrTooLong = errors.New("batch is longer than a side of the journal")

// ErrDamaged says that a file is no journal, or not any more.
var ErrDamaged = errors.New("no journal")

// Batch is what was appended at once.
type Batch struct {
	Number uint64 // counts up by one
	Data   []byte
	end    int64 // where it ends on its side
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
func (b Batches) Whole() bool { return len(b) == 0 || b.Last()-b[0].Number == uint64(len(b)-1) }

// newest are those up to the last, as far back as none is missing: what lies before a gap may have been overtaken by what
// was in it.
func (b Batches) newest() Batches {
	i := len(b)
	for i > 0 && (i == len(b) || b[i-1].Number == b[i].Number-1) {
		i--
	}
	return b[i:]
}

// Journal is an open journal. Its methods may be called from any goroutine.
type Journal struct {
	file  *os.File // written, past the page cache if direct
	read  *os.File
	step  int // in which it must be written
	side  int64
	salt  [8]byte
	table *crc32.Table

	mu     sync.Mutex
	buf    []byte // aligned for direct writes
	number uint64 // of the last batch
	now    int    // the side that is written
	used   [2]int64
	torn   int64                                       // where a write has failed that may be on the disk all the same; 0: nowhere
	write  func(b []byte, at int64) (n int, err error) // to file; replaced in tests

	settling sync.Mutex // one Settle at a time
}

// Open opens the journal at path. When it is missing it is made, with two sides of that many bytes; one that is there keeps its size.
// Left must be called before anything else. A file that is no journal is ErrDamaged.
func Open(path string, side int) (*Journal, error) {
	side = max(side, MinSide) &^ (first - 1)
	read, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{read: read, side: int64(side), table: crc32.MakeTable(crc32.Castagnoli)}
	if err := j.layOut(path); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	j.step = directStep(read)
	flags := os.O_WRONLY | syscall.O_DSYNC
	if j.step > 0 {
		flags |= syscall.O_DIRECT
	} else {
		j.step = sector
	}
	if j.file, err = os.OpenFile(path, flags, 0); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	j.write = j.file.WriteAt
	return j, nil
}

// directStep is the step in which a file can be written past the page cache; 0 if it can't.
func directStep(f *os.File) int {
	var x unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &x)
	if err != nil || x.Mask&unix.STATX_DIOALIGN == 0 || x.Dio_offset_align == 0 || x.Dio_offset_align > first || x.Dio_mem_align > first {
		return 0
	}
	return max(sector, int(x.Dio_offset_align))
}

// layOut writes the header of a new file and gives it its size, with zeros: a block that was never written would cost a
// change of the file system's own records at the first batch.
func (j *Journal) layOut(path string) error {
	info, err := j.read.Stat()
	if err != nil {
		return err
	}
	have := info.Size()
	head := make([]byte, first)
	if have >= first {
		if _, err := j.read.ReadAt(head, 0); err != nil {
			return err
		}
	}
	switch {
	case string(head[:len(fileMagic)]) == fileMagic && have >= first+2*MinSide:
		copy(j.salt[:], head[len(fileMagic):])
		j.side = (have - first) / 2 &^ (first - 1)
		return nil
	case slices.ContainsFunc(head, func(b byte) bool { return b != 0 }):
		return fmt.Errorf("%s: %w", path, ErrDamaged)
	}
	zero := make([]byte, 64<<10)
	for at := int64(0); at < first+2*j.side; {
		n := min(int64(len(zero)), first+2*j.side-at)
		if _, err := j.read.WriteAt(zero[:n], at); err != nil {
			return fmt.Errorf("lay out: %w", err)
		}
		at += n
	}
	if err := j.read.Sync(); err != nil {
		return err
	}
	// The header comes last: a file that has one has its size, and needs no room on a full disk.
	rand.Read(j.salt[:]) // never fails
	copy(head[copy(head, fileMagic):], j.salt[:])
	if _, err := j.read.WriteAt(head, 0); err != nil {
		return err
	}
	if err := j.read.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Left finds the batches after that number, which were not settled before the file was opened, and lets appending go on
// behind the last of them. With 0 nobody knows what was settled: then it is the newest, as far back as none is missing.
func (j *Journal) Left(after uint64) (left Batches, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.number = after
	for side := range 2 {
		found, err := j.scan(side, j.side)
		if err != nil {
			return nil, err
		}
		for _, b := range found {
			if b.Number <= after {
				continue // settled
			}
			left = append(left, b)
			j.used[side] = max(j.used[side], int64(roundUp(int(b.end), j.step)))
			if b.Number > j.number {
				j.number, j.now = b.Number, side
			}
		}
	}
	slices.SortFunc(left, func(a, b Batch) int { return cmp.Compare(a.Number, b.Number) })
	if after == 0 {
		left = left.newest()
	}
	return left, nil
}

// scan reads the whole batches within the first bytes of one side.
func (j *Journal) scan(side int, bytes int64) ([]Batch, error) {
	b := make([]byte, bytes)
	if _, err := j.read.ReadAt(b, first+int64(side)*j.side); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var found []Batch
	for at := int64(0); at+sector <= bytes; {
		batch, size := j.parse(b[at:])
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
func (j *Journal) parse(b []byte) (Batch, int) {
	if binary.BigEndian.Uint32(b) != batchMagic {
		return Batch{}, 0
	}
	n := int64(binary.BigEndian.Uint32(b[4:]))
	if n > int64(len(b)-headLen) || binary.BigEndian.Uint64(b[16:]) != j.check(b[:16], b[headLen:headLen+n]) {
		return Batch{}, 0
	}
	return Batch{Number: binary.BigEndian.Uint64(b[8:]), Data: b[headLen : headLen+n : headLen+n]}, roundUp(headLen+int(n), sector)
}

// check is a sum over a batch that starts from the file's own salt: what a client sends can't look like a batch of its own
// when a longer one is overwritten in part.
func (j *Journal) check(head, data []byte) uint64 {
	a := crc32.Update(crc32.Checksum(j.salt[:4], j.table), j.table, head)
	b := crc32.Update(crc32.Checksum(j.salt[4:], crc32.IEEETable), crc32.IEEETable, head)
	return uint64(crc32.Update(a, j.table, data))<<32 | uint64(crc32.Update(b, crc32.IEEETable, data))
}

// Append makes one batch durable: when it returns nil, the batch survives the loss of power. turned is true when the other
// side is to be settled from now on. After an error the batch counts as never written, but for a crash before the next is.
func (j *Journal) Append(data []byte) (turned bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	size := int64(roundUp(headLen+len(data), j.step))
	if size > j.side {
		return false, ErrTooLong
	}
	if j.used[j.now]+size > j.side {
		if j.used[1-j.now] > 0 {
			return false, ErrFull
		}
		j.now, turned = 1-j.now, true
	}
	at := first + int64(j.now)*j.side + j.used[j.now]
	if j.torn != at {
		if err := j.mend(); err != nil {
			return turned, err
		}
	}
	b := j.aligned(int(size))
	binary.BigEndian.PutUint32(b, batchMagic)
	binary.BigEndian.PutUint32(b[4:], uint32(len(data)))
	binary.BigEndian.PutUint64(b[8:], j.number+1)
	copy(b[headLen:], data)
	clear(b[headLen+len(data):])
	binary.BigEndian.PutUint64(b[16:], j.check(b[:16], data))
	if _, err := j.write(b, at); err != nil {
		j.torn = at // the next batch that fits takes the same place
		return turned, err
	}
	j.torn = 0
	j.number++
	j.used[j.now] += size
	return turned, nil
}

// mend makes sure that a batch whose write has failed is not found some day beside the one that got its number.
func (j *Journal) mend() error {
	if j.torn == 0 {
		return nil
	}
	b := j.aligned(roundUp(headLen, j.step))
	clear(b)
	if _, err := j.write(b, j.torn); err != nil {
		return err
	}
	j.torn = 0
	return nil
}

// aligned returns size bytes whose address suits direct writes.
func (j *Journal) aligned(size int) []byte {
	if cap(j.buf) < size {
		b := make([]byte, size+first)
		skip := -uintptr(unsafe.Pointer(&b[0])) & (first - 1)
		j.buf = b[skip : int(skip)+size : int(skip)+size]
	}
	return j.buf[:size]
}

// Settle calls f with the batches of the side that is not written, and frees the side when f returns nil: f has then put
// them somewhere durable, with the number of the last. f is not called when there are none.
func (j *Journal) Settle(f func(Batches) error) error {
	j.settling.Lock()
	defer j.settling.Unlock()
	j.mu.Lock()
	side := 1 - j.now
	bytes := j.used[side]
	j.mu.Unlock()
	batches, err := j.scan(side, bytes)
	if err != nil || len(batches) == 0 {
		return err
	}
	if err := f(batches); err != nil {
		return err
	}
	j.mu.Lock()
	j.used[side] = 0
	j.mu.Unlock()
	return nil
}

// SettleAll is Settle for both sides. Nothing is appended meanwhile.
func (j *Journal) SettleAll(f func(Batches) error) error {
	j.settling.Lock()
	defer j.settling.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	batches, err := j.unsettled()
	if err != nil || len(batches) == 0 {
		return err
	}
	if err := f(batches); err != nil {
		return err
	}
	j.used = [2]int64{}
	return nil
}

// Unsettled returns the batches that no Settle has freed yet, in order.
func (j *Journal) Unsettled() (Batches, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.unsettled()
}

func (j *Journal) unsettled() (Batches, error) {
	older, err := j.scan(1-j.now, j.used[1-j.now])
	if err != nil {
		return nil, err
	}
	newer, err := j.scan(j.now, j.used[j.now])
	return append(older, newer...), err
}

// Close closes the file. What is not settled stays in it.
func (j *Journal) Close() error { return errors.Join(j.file.Close(), j.read.Close()) }

// Size is the size of the file in bytes.
func (j *Journal) Size() int64 { return first + 2*j.side }

func roundUp(n, step int) int { return (n + step - 1) / step * step }
