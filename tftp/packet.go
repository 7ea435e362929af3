package tftp

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// Opcodes of RFC 1350 and 2347.
const (
	opRRQ   = 1
	opWRQ   = 2
	opDATA  = 3
	opACK   = 4
	opERROR = 5
	opOACK  = 6
)

// An errorPacket is an ERROR: a code of RFC 1350 or 2347 and a fixed text. Texts never contain anything of the request.
type errorPacket struct {
	code uint16
	text string
}

// The errors that are sent. The zero errorPacket means silence.
var (
	errNotFound        = errorPacket{1, "file not found"}
	errNoUploads       = errorPacket{2, "uploads are not accepted"}
	errNoSpace         = errorPacket{3, "there is no room for the file"}
	errTooLarge        = errorPacket{3, "the file is too large"}
	errIllegal         = errorPacket{4, "illegal request"}
	errMode            = errorPacket{4, "mode is neither octet nor netascii"}
	errUnknownTransfer = errorPacket{5, "unknown transfer"}
	errOptionTwice     = errorPacket{8, "option given twice"}
)

// bytes returns the packet as it is sent.
func (e errorPacket) bytes() []byte {
	b := binary.BigEndian.AppendUint16(nil, opERROR)
	b = binary.BigEndian.AppendUint16(b, e.code)
	return append(append(b, e.text...), 0)
}

// request is an RRQ or WRQ. It shares no memory with the buffer that it was read from.
type request struct {
	write    bool
	name     string
	netascii bool
	blksize  int   // 0: not requested, or not a number that RFC 2348 allows
	timeout  int   // seconds; 0: not requested, or not a number that RFC 2349 allows
	window   int   // blocks; 0: not requested, or not a number that RFC 7440 allows
	tsize    bool  // requested
	size     int64 // of an upload, as tsize announces it; 0: not announced
}

// parse decodes a packet that was sent to port 69. ok means a request; else refused is the ERROR to send back, the zero value for
// packets of transfers (an ERROR must never be answered, RFC 1350, 2).
func parse(p []byte) (r request, refused errorPacket, ok bool) {
	if len(p) < 2 {
		return r, errorPacket{}, false
	}
	switch binary.BigEndian.Uint16(p) {
	case opRRQ:
	case opWRQ:
		r.write = true
	case opDATA, opACK, opERROR, opOACK:
		return r, errorPacket{}, false
	default:
		return r, errIllegal, false
	}
	if len(p) > maxRequest { // RFC 2347: the maximum size of a request packet
		return r, errIllegal, false
	}
	// The last string's NUL may be missing: some boot ROMs leave it out (F17).
	fields := bytes.Split(bytes.TrimSuffix(p[2:], []byte{0}), []byte{0})
	if len(fields) < 2 || len(fields[0]) == 0 {
		return r, errIllegal, false
	}
	r.name = string(fields[0])
	switch strings.ToLower(string(fields[1])) {
	case "octet", "binary": // binary: what some clients call it
	case "netascii", "ascii":
		r.netascii = true
	default:
		return r, errMode, false
	}
	if !r.options(fields[2:]) {
		return r, errOptionTwice, false
	}
	return r, errorPacket{}, true
}

// Limits of windows: what a socket's buffer takes at once (F20).
const (
	maxWindow      = 64
	maxWindowBytes = 128 << 10
)

// options parses names and values. Unknown options and values out of range are ignored (RFC 2347). It returns false for an
// option that is given twice, which RFC 2347 forbids.
func (r *request) options(fields [][]byte) bool {
	var blksize, timeout, window, tsize bool
	for ; len(fields) >= 2; fields = fields[2:] {
		value := string(fields[1])
		var twice bool
		switch strings.ToLower(string(fields[0])) {
		case "blksize": // RFC 2348
			twice, blksize = blksize, true
			r.blksize = number(value, 8, 65464)
		case "timeout": // RFC 2349
			twice, timeout = timeout, true
			r.timeout = number(value, 1, 255)
		case "windowsize": // RFC 7440
			twice, window = window, true
			r.window = number(value, 1, 65535)
		case "tsize": // RFC 2349
			twice, tsize = tsize, true
			n, err := strconv.ParseInt(value, 10, 64)
			if r.tsize = !r.write || err == nil && n >= 0; r.tsize && r.write { // in an RRQ the value means nothing
				r.size = n
			}
		}
		if twice {
			return false
		}
	}
	return true
}

// number returns the value of an option, 0 when it is not a decimal number from least to most.
func number(value string, least, most int) int {
	if n, err := strconv.Atoi(value); err == nil && n >= least && n <= most {
		return n
	}
	return 0
}

// blockSize returns the size of the blocks, at most most.
func (r *request) blockSize(most int) int {
	if r.blksize == 0 {
		return 512
	}
	return min(r.blksize, most)
}

// windowSize returns how many blocks are sent before an ACK is waited for; most is that of blockSize.
func (r *request) windowSize(most int) int {
	return max(1, min(r.window, maxWindow, maxWindowBytes/r.blockSize(most)))
}

// oack appends the OACK with the accepted options in a fixed order, or nothing when none was accepted (F03). size is the
// file's; with netascii, where more bytes than that are sent, tsize is left out.
func (r *request) oack(b []byte, most int, size int64) []byte {
	tsize := r.tsize && (r.write || !r.netascii)
	if r.blksize == 0 && r.timeout == 0 && r.window == 0 && !tsize {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, opOACK)
	option := func(name string, value int64) {
		b = append(append(b, name...), 0)
		b = append(strconv.AppendInt(b, value, 10), 0)
	}
	if r.blksize != 0 {
		option("blksize", int64(r.blockSize(most)))
	}
	if r.timeout != 0 { // RFC 2349: the requested value, unchanged
		option("timeout", int64(r.timeout))
	}
	if tsize {
		option("tsize", size)
	}
	if r.window != 0 {
		option("windowsize", int64(r.windowSize(most)))
	}
	return b
}
