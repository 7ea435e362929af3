package tftp

import (
	"bytes"
	"encoding/binary"
	"strconv"
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
		"\x00\x01f\x00octet\x00WindowSize\x0065535\x00TIMEOUT\x00255\x00", "\x00\x02f\x00octet\x00windowsize\x000\x00timeout\x00256\x00",
		"\x00\x01f\x00octet\x00windowsize\x004\x00windowsize\x004\x00", "\x00\x01f\x00octet\x00timeout\x00+5\x00windowsize\x001e1\x00",
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
			t.Fatalf("blocks of %d agreed to, %d requested", n, r.blksize)
		}
		if n := r.windowSize(1468); n < 1 || n > maxWindow || n > max(r.window, 1) || n*r.blockSize(1468) > maxWindowBytes {
			t.Fatalf("windows of %d agreed to, %d requested", n, r.window)
		}
		checkOACK(t, r, r.oack(nil, 1468, size))
	})
}

// checkOACK checks that an OACK is well-formed, and that each option is one that was requested, with a value that its RFC allows.
func checkOACK(t *testing.T, r request, out []byte) {
	if len(out) == 0 {
		return
	}
	f := strings.Split(strings.TrimSuffix(string(out[2:]), "\x00"), "\x00")
	if len(out) > 96 || out[1] != opOACK || out[len(out)-1] != 0 || len(f)%2 != 0 {
		t.Fatalf("%q from %+v", out, r)
	}
	for ; len(f) > 0; f = f[2:] {
		n, err := strconv.ParseInt(f[1], 10, 64)
		ok := err == nil
		switch f[0] {
		case "blksize":
			ok = ok && n <= int64(r.blksize)
		case "timeout":
			ok = ok && n == int64(r.timeout) && n >= 1 && n <= 255
		case "windowsize":
			ok = ok && n >= 1 && n <= int64(r.window)
		case "tsize":
			ok = ok && r.tsize
		default:
			t.Fatalf("%q from %+v: %s", out, r, f[0])
		}
		if !ok {
			t.Fatalf("%q from %+v: %s %s", out, r, f[0], f[1])
		}
	}
}

// FuzzTransfer checks that, for any packets, a sender sends only blocks of the agreed size in order, no more than a window and the
// file, and that a receiver accepts no more than its limit.
func FuzzTransfer(f *testing.F) {
	f.Add([]byte("\x00\x04\x00\x00|\x00\x04\x00\x01|\x00\x04\x00\x01|\x00\x05\x00\x01x"), uint16(512), uint8(0), false)
	f.Add([]byte("\x00\x03\x00\x01hello|\x00\x03\x00\x01hello|\x00\x03\x00\x02|\x00\x03"), uint16(8), uint8(0), true)
	f.Add([]byte("\x00\x04\x00\x00|\x00\x04\x00\x02|\x00\x04\x00\x02|\x00\x04\x00\x06"), uint16(8), uint8(4), false)
	f.Add([]byte("\x00\x03\x00\x0112345678|\x00\x03\x00\x0312345678|\x00\x03\x00\x02|\x00\x03\x00\x02"), uint16(8), uint8(4), false)
	f.Fuzz(func(t *testing.T, script []byte, blksize uint16, window uint8, ascii bool) {
		req := request{name: "f", netascii: ascii, blksize: max(8, int(blksize)), window: int(window)}
		body := bytes.Repeat([]byte("line\n"), 500)
		from := newSender(req, nil, bytes.NewReader(body), int64(len(body)), 1468)
		file := &room{left: 100}
		to := newReceiver(req, file, 1468)
		if err := from.begin(); err != nil {
			t.Fatal(err)
		}
		for p := range bytes.SplitSeq(script, []byte("|")) {
			if len(p) < 2 {
				continue
			}
			base, out := from.base, from.out
			switch n, _ := from.handle(p); n {
			case doIO:
				if err := from.io(); err != nil {
					t.Fatal(err)
				}
				fallthrough
			case send:
				if moved := int(from.base - base); moved > out || from.out > max(1, int(window)) || from.sent > int64(len(body)) {
					t.Fatalf("%d blocks after %d, then %d; %d bytes in all", moved, out, from.out, from.sent)
				}
				checkWindow(t, from)
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

// checkWindow checks that a sender's packets are blocks in order.
func checkWindow(t *testing.T, s *sender) {
	all, size := s.packets(nil)
	for i := range s.out {
		p := all[:min(len(all), size)]
		if all = all[len(p):]; len(p) < 4 || p[1] != opDATA || binary.BigEndian.Uint16(p[2:]) != s.base+1+uint16(i) {
			t.Fatalf("packet %d of %d after block %d is %q", i, s.out, s.base, p)
		}
	}
	if len(all) > 0 {
		t.Fatalf("%d bytes after the last of %d packets", len(all), s.out)
	}
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
