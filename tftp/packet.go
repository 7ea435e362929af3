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

// A refusal is an ERROR packet that the guard sends: a code of RFC 1350 or 2347 and a fixed text. Texts never hold
// anything of the request.
type refusal struct {
	code uint16
	text string
}

// The refusals. The zero refusal means silence.
var (
	refuseNotFound = refusal{1, "file not found"}
	refuseUpload   = refusal{2, "uploads are not taken"}
	refuseRoom     = refusal{3, "there is no room for the file"}
	refuseLarge    = refusal{3, "the file is too large"}
	refuseIllegal  = refusal{4, "illegal request"}
	refuseMode     = refusal{4, "mode is neither octet nor netascii"}
	refuseStranger = refusal{5, "unknown transfer"}
	refuseOptions  = refusal{8, "option given twice"}
)

// packet is the refusal as it goes onto the wire.
func (r refusal) packet() []byte {
	b := binary.BigEndian.AppendUint16(nil, opERROR)
	b = binary.BigEndian.AppendUint16(b, r.code)
	return append(append(b, r.text...), 0)
}

// request is an RRQ or WRQ. It keeps nothing of the buffer that it was read from.
type request struct {
	write    bool
	name     string
	netascii bool
	blksize  int   // 0: not asked for, or not a number that RFC 2348 allows
	tsize    bool  // asked for
	size     int64 // of an upload, as tsize announces it; 0: not said
}

// parse reads a packet that came to port 69. ok means a request; else refused says what to send back, nothing for the
// packets of other people's transfers (an ERROR must never be answered, RFC 1350, 2).
func parse(p []byte) (r request, refused refusal, ok bool) {
	if len(p) < 2 {
		return r, refusal{}, false
	}
	switch binary.BigEndian.Uint16(p) {
	case opRRQ:
	case opWRQ:
		r.write = true
	case opDATA, opACK, opERROR, opOACK:
		return r, refusal{}, false
	default:
		return r, refuseIllegal, false
	}
	if len(p) > maxRequest { // RFC 2347: the maximum size of a request packet
		return r, refuseIllegal, false
	}
	// The last string's NUL may be missing: some boot ROMs forget it (F17).
	fields := bytes.Split(bytes.TrimSuffix(p[2:], []byte{0}), []byte{0})
	if len(fields) < 2 || len(fields[0]) == 0 {
		return r, refuseIllegal, false
	}
	r.name = string(fields[0])
	switch strings.ToLower(string(fields[1])) {
	case "octet", "binary": // binary: what some clients call it
	case "netascii", "ascii":
		r.netascii = true
	default:
		return r, refuseMode, false
	}
	if !r.options(fields[2:]) {
		return r, refuseOptions, false
	}
	return r, refusal{}, true
}

// options reads names and values. Unknown options and values out of range are as good as not given (RFC 2347). It is
// false for an option given twice, which RFC 2347 forbids.
func (r *request) options(fields [][]byte) bool {
	var blksize, tsize bool
	for ; len(fields) >= 2; fields = fields[2:] {
		value := string(fields[1])
		switch strings.ToLower(string(fields[0])) {
		case "blksize":
			if blksize {
				return false
			}
			blksize = true
			if n, err := strconv.Atoi(value); err == nil && n >= 8 && n <= 65464 {
				r.blksize = n
			}
		case "tsize":
			if tsize {
				return false
			}
			tsize = true
			n, err := strconv.ParseInt(value, 10, 64)
			if r.tsize = !r.write || err == nil && n >= 0; r.tsize && r.write { // of a read it only says that it is asked for
				r.size = n
			}
		}
	}
	return true
}

// badName says why a name can't be that of a file, "" when it can (F12).
func badName(name string) string {
	if len(name) > maxName {
		return "the name is longer than " + strconv.Itoa(maxName) + " bytes"
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			return "the name holds a control character"
		}
	}
	return ""
}

// agreed is the size of the blocks, of which the largest that may be agreed to is most.
func (r *request) agreed(most int) int {
	if r.blksize == 0 {
		return 512
	}
	return min(r.blksize, most)
}

// oack appends the OACK that agrees to what was asked, in a fixed order, or nothing when there is nothing to agree to
// (F03). size is the file's; with netascii, where more bytes than that are sent, it stays unsaid.
func (r *request) oack(b []byte, most int, size int64) []byte {
	tsize := r.tsize && (r.write || !r.netascii)
	if r.blksize == 0 && !tsize {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, opOACK)
	if r.blksize != 0 {
		b = append(b, "blksize\x00"...)
		b = append(strconv.AppendInt(b, int64(r.agreed(most)), 10), 0)
	}
	if tsize {
		b = append(b, "tsize\x00"...)
		b = append(strconv.AppendInt(b, size, 10), 0)
	}
	return b
}
