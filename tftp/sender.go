package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pin/tftp/v3/netascii"
)

// side is our half of a transfer: the protocol, without sockets, clocks and threads.
type side interface {
	// packet is what the phone is to get now, and again when it doesn't answer.
	packet() []byte
	// hear takes a packet of the phone's and says what follows from it.
	hear(p []byte) (next, error)
	// work is the slow part of what follows: the disk. Afterwards packet is new.
	work() error
	// whole tells whether everything has been said, and at most its acknowledgment is missing (F09).
	whole() bool
	// bytes is how much of the file has been sent or received.
	bytes() int64
	// free gives back what the side has borrowed.
	free()
}

// next is what follows from a packet.
type next int

const (
	stay next = iota // nothing: it is old, or none of this transfer
	say              // there is a new packet
	toil             // there will be one after work
	end              // the transfer is over, well without an error
)

// chunkSize is how much of a file is read from or written to the disk at once.
const chunkSize = 32 << 10

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// sender sends a file in blocks (RFC 1350), each when the one before it is acknowledged.
type sender struct {
	size  int    // of a block
	block uint16 // the one that is to be acknowledged; after 65535 comes 0 (F07)
	out   []byte
	last  bool // out is the last block
	heard bool // the phone has acknowledged something: it is where it says
	ascii bool
	sent  int64

	ready []byte    // of the file, not sent yet
	src   io.Reader // what is read when ready runs out; nil: ready is all that is left
	chunk *[chunkSize]byte
}

// newSender makes a sender of what is to be answered: body, or content when it isn't nil. size is the file's.
func newSender(asked request, body []byte, content io.Reader, size int64, most int) *sender {
	s := &sender{size: asked.agreed(most), ascii: asked.netascii, ready: body, src: content}
	if s.ascii {
		if content == nil {
			content = bytes.NewReader(body)
		}
		s.ready, s.src = nil, netascii.ToReader(content)
	}
	s.out = make([]byte, 0, 4+s.size)
	s.out = asked.oack(s.out, most, size)
	return s
}

// begin readies the first packet: the OACK, or the first block.
func (s *sender) begin() error {
	err := s.read()
	if err == nil && len(s.out) == 0 {
		s.fill()
	}
	return err
}

func (s *sender) packet() []byte { return s.out }
func (s *sender) whole() bool    { return s.last && s.heard }
func (s *sender) bytes() int64   { return s.sent }

// hear goes on when the packet acknowledges what was sent last. An older ACK changes nothing (F04).
func (s *sender) hear(p []byte) (next, error) {
	switch binary.BigEndian.Uint16(p) {
	case opERROR:
		return end, aborted(p)
	case opACK:
		if len(p) < 4 || binary.BigEndian.Uint16(p[2:]) != s.block {
			return stay, nil
		}
	default:
		return stay, nil
	}
	s.heard = true
	switch {
	case s.last:
		return end, nil
	case len(s.ready) < s.size && s.src != nil:
		return toil, nil
	}
	s.fill()
	return say, nil
}

// work readies the next block, from the disk.
func (s *sender) work() error {
	err := s.read()
	if err == nil {
		s.fill()
	}
	return err
}

// read fills the chunk behind what is left of it, when that isn't a block any more. No block is larger than a chunk.
func (s *sender) read() error {
	if s.src == nil || len(s.ready) >= s.size {
		return nil
	}
	if s.chunk == nil {
		s.chunk = chunks.Get().(*[chunkSize]byte)
	}
	n := copy(s.chunk[:], s.ready)
	more, err := io.ReadFull(s.src, s.chunk[n:])
	s.ready = s.chunk[:n+more]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.src, err = nil, nil
	}
	return err
}

// fill makes the next block of what is ready.
func (s *sender) fill() {
	n := min(len(s.ready), s.size)
	s.block++
	s.last = n < s.size // a file that fills its last block is followed by an empty one (F06)
	s.out = binary.BigEndian.AppendUint16(s.out[:0], opDATA)
	s.out = binary.BigEndian.AppendUint16(s.out, s.block)
	s.out = append(s.out, s.ready[:n]...)
	s.sent += int64(n)
	if s.ascii { // each line end, and each CR, is two bytes on the wire that begin with CR
		s.sent -= int64(bytes.Count(s.ready[:n], []byte{'\r'}))
	}
	s.ready = s.ready[n:]
}

func (s *sender) free() {
	if s.chunk != nil {
		chunks.Put(s.chunk)
		s.chunk, s.ready = nil, nil
	}
}

// aborted is the error of a phone that has sent an ERROR, in whose text anything may stand.
func aborted(p []byte) error {
	text, _, _ := bytes.Cut(p[min(4, len(p)):], []byte{0})
	return fmt.Errorf("%w: %.80q", ErrAborted, text)
}
