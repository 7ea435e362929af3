package tftp

import (
	"bytes"
	"fmt"
)

// endpoint is the server's end of a transfer: the protocol, without sockets, clocks and threads.
type endpoint interface {
	// packets appends the packets that are due to b, one after the other. All but the last have size bytes. They are sent again
	// when the peer does not answer.
	packets(b []byte) (all []byte, size int)
	// handle processes a packet of the peer and returns what follows from it.
	handle(p []byte) (action, error)
	// io is the slow part of what follows: the disk. Afterwards packets are new.
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
	hasten               // the packet repeats an ACK within a window: packets are to be sent again soon, unless another follows (F22)
	wait                 // the packet is not the last of its window
	send                 // packets are new
	doIO                 // packets will be new after io
	done                 // the transfer has ended, successfully without an error
)

// chunkSize is how much of a file is read from or written to the disk at once.
const chunkSize = 32 << 10

// aborted returns the error for an ERROR of the peer, whose text may contain anything.
func aborted(p []byte) error {
	text, _, _ := bytes.Cut(p[min(4, len(p)):], []byte{0})
	return fmt.Errorf("%w: %.80q", ErrAborted, text)
}
