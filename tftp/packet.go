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
	refuseLarge    = refusal{3, textLarge}
	refuseIllegal  = refusal{4, "illegal request"}
	refuseMode     = refusal{4, "mode is neither octet nor netascii"}
	refuseOptions  = refusal{8, "option given twice"}
)

// textLarge is also what the library sends when an upload turns out too large on the way.
const textLarge = "the file is too large"

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
	var blksize bool
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
			if r.tsize {
				return false
			}
			r.tsize = true
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && r.write {
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

// forLibrary prints the request as the library handles it well: id instead of the name, mode and options in lower case,
// only options that will be agreed to, and the true size as tsize, which the library repeats.
func (r *request) forLibrary(id uint64, size int64) []byte {
	op := uint16(opRRQ)
	if r.write {
		op = opWRQ
	}
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 80), op)
	b = append(strconv.AppendUint(b, id, 10), 0)
	if r.netascii {
		b = append(b, "netascii\x00"...)
	} else {
		b = append(b, "octet\x00"...)
	}
	opt := func(name string, v int64) {
		b = append(append(b, name...), 0)
		b = append(strconv.AppendInt(b, v, 10), 0)
	}
	if r.agreesBlksize() {
		opt("blksize", int64(r.blksize))
	}
	if r.agreesTsize(size) {
		opt("tsize", size)
	}
	return b
}

// The options that the library agrees to, given the size of the file.
func (r *request) agreesBlksize() bool         { return r.blksize >= 512 }
func (r *request) agreesTsize(size int64) bool { return r.tsize && size > 0 && !r.netascii && !r.write }

// negotiated tells whether an OACK will go before the first block.
func (r *request) negotiated(size int64) bool { return r.agreesBlksize() || r.agreesTsize(size) }
