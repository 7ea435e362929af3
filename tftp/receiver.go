package tftp

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/pin/tftp/v3/netascii"

	"plugtone/provision"
)

// receiver takes an upload in blocks and acknowledges each, a repeated one again.
type receiver struct {
	size     int
	block    uint16 // the last that came
	out      []byte
	heard    bool // something has come
	last     bool // everything has come
	received int64

	to    io.Writer    // where blocks go: to waits, as they are or read as netascii
	waits bytes.Buffer // what is to be written at once
	file  sink
}

// sink is where an upload is written: provision.Upload.
type sink interface {
	io.Writer
	Left() int64 // how many more bytes it takes
}

// newReceiver makes a receiver whose first packet is the OACK, or the ACK of block 0.
func newReceiver(asked request, file sink, most int) *receiver {
	r := &receiver{size: asked.agreed(most), file: file}
	r.to = &r.waits
	if asked.netascii {
		r.to = netascii.FromWriter(&r.waits)
	}
	if r.out = asked.oack(nil, most, asked.size); len(r.out) == 0 {
		r.acknowledge()
	}
	return r
}

func (r *receiver) packet() []byte { return r.out }
func (r *receiver) whole() bool    { return r.last }
func (r *receiver) bytes() int64   { return r.received }
func (r *receiver) free()          { r.waits = bytes.Buffer{} }

// hear takes the next block, and acknowledges the one before it once more.
func (r *receiver) hear(p []byte) (next, error) {
	switch binary.BigEndian.Uint16(p) {
	case opERROR:
		return end, aborted(p)
	case opDATA:
	default:
		return stay, nil
	}
	if len(p) < 4 || len(p)-4 > r.size {
		return stay, nil
	}
	switch number := binary.BigEndian.Uint16(p[2:]); {
	case number == r.block && r.heard:
		return say, nil
	case number != r.block+1 || r.last:
		return stay, nil
	}
	r.heard = true
	r.block++
	if _, err := r.to.Write(p[4:]); err != nil {
		return end, err
	}
	r.last = len(p)-4 < r.size
	switch {
	case int64(r.waits.Len()) > r.file.Left():
		return end, provision.ErrTooLarge
	case r.last || r.waits.Len() >= chunkSize:
		return toil, nil
	}
	r.acknowledge()
	return say, nil
}

// work writes what has come.
func (r *receiver) work() error {
	n, err := r.waits.WriteTo(r.file)
	r.received += n
	if err == nil {
		r.acknowledge()
	}
	return err
}

func (r *receiver) acknowledge() {
	r.out = binary.BigEndian.AppendUint16(r.out[:0], opACK)
	r.out = binary.BigEndian.AppendUint16(r.out, r.block)
}
