package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/pin/tftp/v3/netascii"
)

// sender sends a file in windows of blocks (RFC 7440), each when the one before it is acknowledged. A window of one block is
// RFC 1350.
type sender struct {
	size   int    // of a block
	window int    // blocks sent before an ACK is waited for
	base   uint16 // the last block that was acknowledged; after 65535 comes 0 (F07)
	out    int    // blocks after base that have been sent
	offer  []byte // the OACK, until it is acknowledged
	acked  bool   // the peer has acknowledged something: it is where it claims to be

	data    []byte    // of the file, from the block after base on
	src     io.Reader // what follows data; nil: data is all that is left
	chunk   *[]byte   // which holds data when it comes from src
	counted int       // bytes of data that are counted in sent
	sent    int64     // bytes of the file
	ascii   bool
}

// chunks are buffers of chunkSize, and of more for windows.
var chunks, windowChunks = newChunks(chunkSize), newChunks(maxWindowBytes + chunkSize)

func newChunks(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, size); return &b }}
}

// newSender makes a sender of body, or of content when it isn't nil. size is the file's.
func newSender(req request, body []byte, content io.Reader, size int64, most int) *sender {
	s := &sender{size: req.blockSize(most), window: req.windowSize(most), ascii: req.netascii, data: body, src: content}
	if s.ascii {
		if content == nil {
			content = bytes.NewReader(body)
		}
		s.data, s.src = nil, netascii.ToReader(content)
	}
	s.offer = req.oack(nil, most, size)
	return s
}

// begin prepares the first packet: the OACK, or the first block.
func (s *sender) begin() error {
	err := s.read()
	if err == nil && len(s.offer) == 0 {
		s.fill()
	}
	return err
}

// packets appends the OACK, or the blocks of the window.
func (s *sender) packets(b []byte) (all []byte, size int) {
	if len(s.offer) > 0 {
		return append(b, s.offer...), len(s.offer)
	}
	rest := s.data
	for i := range s.out {
		n := min(len(rest), s.size)
		b = binary.BigEndian.AppendUint16(b, opDATA)
		b = binary.BigEndian.AppendUint16(b, s.base+1+uint16(i))
		b = append(b, rest[:n]...)
		rest = rest[n:]
	}
	return b, 4 + s.size
}

// blocks returns how many blocks can be made of data. A file that fills its last block is followed by an empty one (F06).
func (s *sender) blocks() int {
	n := len(s.data) / s.size
	if s.src == nil {
		n++
	}
	return n
}

func (s *sender) lastIsOut() bool { return s.src == nil && s.out == s.blocks() }
func (s *sender) complete() bool  { return s.acked && s.lastIsOut() }
func (s *sender) bytes() int64    { return s.sent }

// handle goes on after the block that the packet acknowledges, which may be within the window: those after it were lost (F21).
// An older ACK is ignored (F04).
func (s *sender) handle(p []byte) (action, error) {
	switch binary.BigEndian.Uint16(p) {
	case opERROR:
		return done, aborted(p)
	case opACK:
	default:
		return ignore, nil
	}
	if len(p) < 4 {
		return ignore, nil
	}
	n := int(binary.BigEndian.Uint16(p[2:]) - s.base)
	switch {
	case len(s.offer) > 0 && n == 0:
		s.offer = nil
	case n == 0 && s.window > 1 && s.out > 0:
		return hasten, nil
	case n == 0 || n > s.out:
		return ignore, nil
	}
	s.acked = true
	if n > 0 && n == s.out && s.lastIsOut() {
		return done, nil
	}
	s.advance(n)
	if s.src != nil && len(s.data) < s.window*s.size {
		return doIO, nil
	}
	s.fill()
	return send, nil
}

// advance drops n blocks that have been acknowledged.
func (s *sender) advance(n int) {
	bytes := n * s.size
	s.base += uint16(n)
	s.data = s.data[bytes:]
	s.counted -= bytes
	s.out = 0
}

// io prepares the next window, from the disk.
func (s *sender) io() error {
	err := s.read()
	if err == nil {
		s.fill()
	}
	return err
}

// read refills the chunk when what is left of it is less than a window. No window is larger than a chunk.
func (s *sender) read() error {
	if s.src == nil || len(s.data) >= s.window*s.size {
		return nil
	}
	if s.chunk == nil {
		s.chunk = s.pool().Get().(*[]byte)
	}
	n := copy(*s.chunk, s.data)
	more, err := io.ReadFull(s.src, (*s.chunk)[n:])
	s.data = (*s.chunk)[:n+more]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.src, err = nil, nil
	}
	return err
}

// fill makes the next window of data.
func (s *sender) fill() {
	s.out = min(s.window, s.blocks())
	end := min(s.out*s.size, len(s.data))
	if end <= s.counted {
		return
	}
	fresh := s.data[s.counted:end]
	s.counted = end
	s.sent += int64(len(fresh))
	if s.ascii { // each line end, and each CR, is two bytes on the wire that begin with CR
		s.sent -= int64(bytes.Count(fresh, []byte{'\r'}))
	}
}

func (s *sender) pool() *sync.Pool {
	if s.window > 1 {
		return windowChunks
	}
	return chunks
}

func (s *sender) free() {
	if s.chunk != nil {
		s.pool().Put(s.chunk)
		s.chunk, s.data = nil, nil
	}
}
