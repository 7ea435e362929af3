package tftp

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/pin/tftp/v3/netascii"

	"plugtone/provision/uploads"
)

// receiver receives an upload in blocks and acknowledges each, a repeated one again.
type receiver struct {
	size     int
	block    uint16 // the last that was received
	out      []byte
	started  bool // a block has been received
	last     bool // the whole file has been received
	received int64

	to      io.Writer    // decodes blocks into pending
	pending bytes.Buffer // to be written to the file
	file    sink
}

// sink is where an upload is written: uploads.Upload.
type sink interface {
	io.Writer
	Left() int64 // how many more bytes it takes
}

// newReceiver makes a receiver whose first packet is the OACK, or the ACK of block 0.
func newReceiver(asked request, file sink, most int) *receiver {
	r := &receiver{size: asked.blockSize(most), file: file}
	r.to = &r.pending
	if asked.netascii {
		r.to = netascii.FromWriter(&r.pending)
	}
	if r.out = asked.oack(nil, most, asked.size); len(r.out) == 0 {
		r.ack()
	}
	return r
}

func (r *receiver) packet() []byte { return r.out }
func (r *receiver) complete() bool { return r.last }
func (r *receiver) bytes() int64   { return r.received }
func (r *receiver) free()          { r.pending = bytes.Buffer{} }

// handle receives the next block, and acknowledges the one before it again.
func (r *receiver) handle(p []byte) (action, error) {
	switch binary.BigEndian.Uint16(p) {
	case opERROR:
		return done, aborted(p)
	case opDATA:
	default:
		return ignore, nil
	}
	if len(p) < 4 || len(p)-4 > r.size {
		return ignore, nil
	}
	switch number := binary.BigEndian.Uint16(p[2:]); {
	case number == r.block && r.started:
		return send, nil
	case number != r.block+1 || r.last:
		return ignore, nil
	}
	r.started = true
	r.block++
	if _, err := r.to.Write(p[4:]); err != nil {
		return done, err
	}
	r.last = len(p)-4 < r.size
	switch {
	case int64(r.pending.Len()) > r.file.Left():
		return done, uploads.ErrTooLarge
	case r.last || r.pending.Len() >= chunkSize:
		return doIO, nil
	}
	r.ack()
	return send, nil
}

// io writes what is pending.
func (r *receiver) io() error {
	n, err := r.pending.WriteTo(r.file)
	r.received += n
	if err == nil {
		r.ack()
	}
	return err
}

func (r *receiver) ack() {
	r.out = binary.BigEndian.AppendUint16(r.out[:0], opACK)
	r.out = binary.BigEndian.AppendUint16(r.out, r.block)
}
