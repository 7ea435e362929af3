package tftp

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/pin/tftp/v3/netascii"

	"plugtone/provision/uploads"
)

// receiver receives an upload in windows of blocks (RFC 7440) and acknowledges the last block of each. A window of one block is
// RFC 1350.
type receiver struct {
	size     int
	window   int
	offer    []byte // the OACK, until a block has been received
	block    uint16 // the last that was received
	acked    uint16 // the last that was acknowledged
	ahead    uint16 // how far after block the last one was that came out of sequence; 0: none did
	started  bool   // a block has been received
	last     bool   // the whole file has been received
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
func newReceiver(req request, file sink, most int) *receiver {
	r := &receiver{size: req.blockSize(most), window: req.windowSize(most), offer: req.oack(nil, most, req.size), file: file}
	r.to = &r.pending
	if req.netascii {
		r.to = netascii.FromWriter(&r.pending)
	}
	return r
}

// packets appends the OACK, or the ACK of the last block.
func (r *receiver) packets(b []byte) (all []byte, size int) {
	if len(r.offer) > 0 {
		return append(b, r.offer...), len(r.offer)
	}
	r.acked = r.block
	b = binary.BigEndian.AppendUint16(b, opACK)
	return binary.BigEndian.AppendUint16(b, r.block), 4
}

func (r *receiver) complete() bool { return r.last }
func (r *receiver) bytes() int64   { return r.received }
func (r *receiver) free()          { r.pending = bytes.Buffer{} }

// handle receives the next block. It acknowledges the one before it again when that is repeated, or when blocks after it were
// lost (F21), once for each time that the peer sends the window.
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
	switch n := binary.BigEndian.Uint16(p[2:]) - r.block; {
	case n == 0 && r.started && r.acked == r.block: // the ACK was lost
		return send, nil
	case n > 1 && int(n) <= r.window && !r.last:
		again := r.ahead == 0 || n <= r.ahead
		r.ahead = n
		if again {
			return send, nil
		}
		return ignore, nil
	case n != 1 || r.last:
		return ignore, nil
	}
	return r.accept(p[4:])
}

// accept takes the next block.
func (r *receiver) accept(data []byte) (action, error) {
	r.started, r.offer, r.ahead = true, nil, 0
	r.block++
	if _, err := r.to.Write(data); err != nil {
		return done, err
	}
	r.last = len(data) < r.size
	switch {
	case int64(r.pending.Len()) > r.file.Left():
		return done, uploads.ErrTooLarge
	case !r.last && int(r.block-r.acked) < r.window:
		return wait, nil
	case r.last || r.pending.Len() >= chunkSize:
		return doIO, nil
	}
	return send, nil
}

// io writes what is pending.
func (r *receiver) io() error {
	n, err := r.pending.WriteTo(r.file)
	r.received += n
	return err
}
