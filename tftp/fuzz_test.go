package tftp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"plugtone/provision/uploads"
)

// FuzzGuard checks that nothing of the receive buffer is retained, that refusals are short and well-formed, and that accepted options
// do not exceed the requested ones.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{
		"\x00\x01f\x00octet\x00", "\x00\x01f\x00octet", "\x00\x02f\x00NetASCII\x00BLKSIZE\x001428\x00tsize\x000\x00", "\x00\x01\x00octet\x00",
		"\x00\x01f\x00octet\x00blksize\x00-1\x00", "\x00\x05\x00\x01no\x00", "\x00\x00", "", "\x00\x01f\x00octet\x00tsize\x000\x00tsize\x000\x00",
		"\x00\x02f\x00octet\x00tsize\x00-5\x00", "\x00\x01f\x00octet\x00blksize\x008\x00windowsize\x0016\x00timeout\x003\x00",
	} {
		f.Add([]byte(s), int64(1000))
	}
	f.Fuzz(func(t *testing.T, p []byte, size int64) {
		r, refused, ok := parse(p)
		if !ok {
			if b := refused.bytes(); refused.code != 0 && (len(b) > 64 || b[len(b)-1] != 0 || refused.code > 8) {
				t.Fatalf("refusal %q", b)
			}
			return
		}
		if r.name == "" || strings.ContainsRune(r.name, 0) || len(p) > maxRequest {
			t.Fatalf("%+v", r)
		}
		name := strings.Clone(r.name)
		for i := range p {
			p[i] = 0xff
		}
		if r.name != name {
			t.Fatal("the name is part of the receive buffer")
		}
		if n := r.blockSize(1468); n < 8 || n > 1468 || r.blksize != 0 && n > r.blksize {
			t.Fatalf("blocks of %d agreed to, %d asked for", n, r.blksize)
		}
		out := r.oack(nil, 1468, size)
		if len(out) > 64 || len(out) > 0 && (out[1] != opOACK || bytes.Count(out[2:], []byte{0})%2 != 0) {
			t.Fatalf("%q from %+v", out, r)
		}
	})
}

// FuzzTransfer checks that, for any packets, a sender sends only blocks of the agreed size in order and no more than the file, and that
// a receiver accepts no more than its limit.
func FuzzTransfer(f *testing.F) {
	f.Add([]byte("\x00\x04\x00\x00|\x00\x04\x00\x01|\x00\x04\x00\x01|\x00\x05\x00\x01x"), uint16(512), false)
	f.Add([]byte("\x00\x03\x00\x01hello|\x00\x03\x00\x01hello|\x00\x03\x00\x02|\x00\x03"), uint16(8), true)
	f.Fuzz(func(t *testing.T, script []byte, blksize uint16, ascii bool) {
		asked := request{name: "f", netascii: ascii, blksize: max(8, int(blksize))}
		body := bytes.Repeat([]byte("line\n"), 500)
		from := newSender(asked, nil, bytes.NewReader(body), int64(len(body)), 1468)
		file := &room{left: 100}
		to := newReceiver(asked, file, 1468)
		if err := from.begin(); err != nil {
			t.Fatal(err)
		}
		for p := range bytes.SplitSeq(script, []byte("|")) {
			if len(p) < 2 {
				continue
			}
			block := from.block
			switch n, _ := from.handle(p); n {
			case doIO:
				if err := from.io(); err != nil {
					t.Fatal(err)
				}
				fallthrough
			case send:
				if out := from.packet(); from.block != block+1 || len(out) > 4+from.size || binary.BigEndian.Uint16(out[2:]) != from.block || from.sent > int64(len(body)) {
					t.Fatalf("block %d after %d, %d bytes, %d in all", from.block, block, len(out), from.sent)
				}
			}
			if n, err := to.handle(p); n == doIO && err == nil {
				_ = to.io()
			}
			if file.left < 0 {
				t.Fatal("more was written than fits")
			}
		}
		from.free()
	})
}

// room is a file of limited size.
type room struct{ left int64 }

func (r *room) Left() int64 { return r.left }

func (r *room) Write(p []byte) (int, error) {
	if r.left -= int64(len(p)); r.left < 0 {
		return 0, uploads.ErrTooLarge
	}
	return len(p), nil
}
