// Package sealedfile encrypts files that are written and read as streams, such as those that phones upload. A file is a header and chunks,
// each encrypted by itself and bound to the file, its place in the data directory and its number: none can be changed, left out, moved or
// copied from another file without notice. It has no keys; those are a Cipher's.
//
// Files in clear, which earlier versions wrote, are read as they are, until Reseal has encrypted them.
package sealedfile

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	magic     = "plugtone sealed\x01"
	headerLen = len(magic) + 16
	chunkLen  = 32 << 10
)

// Overhead is how many bytes Cipher.Seal adds.
const Overhead = 32

// ErrDamaged is wrapped by errors about a file that was changed or cut.
var ErrDamaged = errors.New("the encrypted file is damaged")

// Cipher encrypts with a key of the data directory. where names what is encrypted: elsewhere it does not open.
type Cipher interface {
	Seal(plain, where []byte) ([]byte, error)
	Open(sealed, where []byte) ([]byte, error)
	// Newest reports whether Seal would use the key that sealed is encrypted with.
	Newest(sealed []byte) bool
}

// Place returns what a file is bound to: its path in the data directory, without the "~" and number of an older version.
func Place(folder, file string) string {
	name, _, _ := strings.Cut(path.Join(folder, file), "~")
	return name
}

// where names a chunk.
func where(place string, header []byte, chunk uint64, last bool) []byte {
	b := append([]byte(place), 0)
	b = append(b, header[len(magic):]...)
	b = binary.BigEndian.AppendUint64(b, chunk)
	if last {
		return append(b, 1)
	}
	return append(b, 0)
}

// PlainSize returns how many bytes are in an encrypted file of that size.
func PlainSize(size int64) int64 {
	chunks := (size - int64(headerLen) + chunkLen + Overhead - 1) / (chunkLen + Overhead)
	return max(0, size-int64(headerLen)-chunks*Overhead)
}

// Writer encrypts what is written to it. Close must be called; it does not close the writer below.
type Writer struct {
	to     io.Writer
	cipher Cipher
	place  string
	header []byte // nil: not written
	plain  []byte
	chunk  uint64
	err    error
}

// NewWriter returns a writer to to. With a nil cipher nothing is encrypted.
func NewWriter(to io.Writer, place string, cipher Cipher) *Writer {
	return &Writer{to: to, cipher: cipher, place: place}
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.cipher == nil {
		return w.to.Write(p)
	}
	for n < len(p) && w.err == nil {
		if len(w.plain) == chunkLen { // more follows: it is not the last
			w.flush(false)
		}
		k := min(chunkLen-len(w.plain), len(p)-n)
		w.plain = append(w.plain, p[n:n+k]...)
		n += k
	}
	return n, w.err
}

func (w *Writer) flush(last bool) {
	if w.header == nil && w.err == nil {
		w.header = append([]byte(magic), make([]byte, headerLen-len(magic))...)
		rand.Read(w.header[len(magic):]) // never returns an error
		_, w.err = w.to.Write(w.header)
	}
	if w.err != nil {
		return
	}
	sealed, err := w.cipher.Seal(w.plain, where(w.place, w.header, w.chunk, last))
	if err == nil {
		_, err = w.to.Write(sealed)
	}
	w.err = err
	w.plain = w.plain[:0]
	w.chunk++
}

// Close writes what is left.
func (w *Writer) Close() error {
	if w.cipher == nil {
		return nil
	}
	w.flush(true)
	return w.err
}

// File is what a Reader reads: an *os.File for example.
type File interface {
	io.ReaderAt
	io.Closer
}

// Reader reads a file, encrypted or not. It implements io.ReadSeekCloser.
type Reader struct {
	io.ReadSeeker
	file   File
	cipher Cipher
	place  string
	header []byte
	stored int64 // bytes of the file below
	number int64 // of the chunk in plain
	plain  []byte
}

// NewReader returns a reader of a file of that many bytes.
func NewReader(f File, size int64, place string, cipher Cipher) (*Reader, error) {
	r := &Reader{file: f, cipher: cipher, place: place, stored: size, number: -1, header: make([]byte, min(size, int64(headerLen)))}
	if _, err := f.ReadAt(r.header, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.HasPrefix(r.header, []byte(magic)) || len(r.header) < headerLen {
		r.header = nil
		r.ReadSeeker = io.NewSectionReader(f, 0, size)
		return r, nil
	}
	if rest := (size - int64(headerLen)) % (chunkLen + Overhead); rest > 0 && rest < Overhead || size == int64(headerLen) {
		return nil, fmt.Errorf("%w: it was cut", ErrDamaged)
	}
	r.ReadSeeker = io.NewSectionReader(chunks{r}, 0, PlainSize(size))
	return r, nil
}

// Sealed reports whether the file is encrypted.
func (r *Reader) Sealed() bool { return r.header != nil }

// Size returns how many bytes can be read.
func (r *Reader) Size() int64 {
	if r.Sealed() {
		return PlainSize(r.stored)
	}
	return r.stored
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// chunk reads and decrypts a chunk.
func (r *Reader) chunk(n int64) ([]byte, error) {
	if n == r.number {
		return r.plain, nil
	}
	from := int64(headerLen) + n*(chunkLen+Overhead)
	sealed := make([]byte, min(chunkLen+Overhead, r.stored-from))
	if _, err := r.file.ReadAt(sealed, from); err != nil {
		return nil, err
	}
	if r.cipher == nil {
		return nil, fmt.Errorf("%s is encrypted, and there is no key", r.place)
	}
	plain, err := r.cipher.Open(sealed, where(r.place, r.header, uint64(n), from+int64(len(sealed)) == r.stored))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.place, err)
	}
	r.number, r.plain = n, plain
	return plain, nil
}

// chunks reads decrypted bytes at any place.
type chunks struct{ *Reader }

// ReadAt implements io.ReaderAt, for one caller at a time.
func (c chunks) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < c.Size() {
		plain, err := c.chunk(off / chunkLen)
		if err != nil {
			return n, err
		}
		k := copy(p[n:], plain[off%chunkLen:])
		if k == 0 {
			return n, io.ErrUnexpectedEOF
		}
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
