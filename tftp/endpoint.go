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

// endpoint is the server's end of a transfer: the protocol, without sockets, clocks and threads.
type endpoint interface {
	// packet returns the packet that is due, and is sent again when the peer does not answer.
	packet() []byte
	// handle processes a packet of the peer and returns what follows from it.
	handle(p []byte) (action, error)
	// io is the slow part of what follows: the disk. Afterwards packet is new.
	io() error
	// complete reports whether everything has been sent, and at most its acknowledgment is missing (F09), or received.
	complete() bool
	// bytes returns how much of the file has been sent or received.
	bytes() int64
	// free releases the buffers.
	free()
}

// action is what follows from a packet.
type action int

const (
	ignore action = iota // the packet is old, or none of this transfer
	send                 // packet is new
	doIO                 // packet will be new after io
	done                 // the transfer is over, successfully without an error
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
	acked bool // the peer has acknowledged something: it is where it claims to be
	ascii bool
	sent  int64

	ready []byte    // of the file, not sent yet
	src   io.Reader // what is read when ready runs out; nil: ready is all that is left
	chunk *[chunkSize]byte
}

// newSender makes a sender of body, or of content when it isn't nil. size is the file's.
func newSender(asked request, body []byte, content io.Reader, size int64, most int) *sender {
	s := &sender{size: asked.blockSize(most), ascii: asked.netascii, ready: body, src: content}
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

// begin prepares the first packet: the OACK, or the first block.
func (s *sender) begin() error {
	err := s.read()
	if err == nil && len(s.out) == 0 {
		s.fill()
	}
	return err
}

func (s *sender) packet() []byte { return s.out }
func (s *sender) complete() bool { return s.last && s.acked }
func (s *sender) bytes() int64   { return s.sent }

// handle goes on to the next block when the packet acknowledges the last one. An older ACK is ignored (F04).
func (s *sender) handle(p []byte) (action, error) {
	switch binary.BigEndian.Uint16(p) {
	case opERROR:
		return done, aborted(p)
	case opACK:
		if len(p) < 4 || binary.BigEndian.Uint16(p[2:]) != s.block {
			return ignore, nil
		}
	default:
		return ignore, nil
	}
	s.acked = true
	switch {
	case s.last:
		return done, nil
	case len(s.ready) < s.size && s.src != nil:
		return doIO, nil
	}
	s.fill()
	return send, nil
}

// io prepares the next block, from the disk.
func (s *sender) io() error {
	err := s.read()
	if err == nil {
		s.fill()
	}
	return err
}

// read refills the chunk when what is left of it is less than a block. No block is larger than a chunk.
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

// fill makes the next block from ready.
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

// aborted returns the error for an ERROR of the peer, whose text may contain anything.
func aborted(p []byte) error {
	text, _, _ := bytes.Cut(p[min(4, len(p)):], []byte{0})
	return fmt.Errorf("%w: %.80q", ErrAborted, text)
}
