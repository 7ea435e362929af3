package tftp

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// FuzzGuard: what the library is handed is well-formed whatever came, holds nothing of the name, and reads back as the
// same request; nothing of the receive buffer is kept.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{
		"\x00\x01f\x00octet\x00", "\x00\x01f\x00octet", "\x00\x02f\x00NetASCII\x00BLKSIZE\x001428\x00tsize\x000\x00", "\x00\x01\x00octet\x00",
		"\x00\x01f\x00octet\x00blksize\x00-1\x00", "\x00\x05\x00\x01no\x00", "\x00\x00", "", "\x00\x01f\x00octet\x00tsize\x000\x00tsize\x000\x00",
	} {
		f.Add([]byte(s), int64(1000))
	}
	f.Fuzz(func(t *testing.T, p []byte, size int64) {
		r, refused, ok := parse(p)
		if !ok {
			if b := refused.packet(); refused.code != 0 && (len(b) > 64 || b[len(b)-1] != 0 || refused.code > 8) {
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
		out := r.forLibrary(7, size)
		again, _, ok := parse(out)
		if !ok || again.name != "7" || again.netascii != r.netascii || len(out) > 128 || bytes.Count(out, []byte{0})%2 != 1 {
			t.Fatalf("%q from %+v", out, r)
		}
		if again.blksize != 0 && again.blksize != r.blksize || again.tsize && (!r.tsize || !bytes.Contains(out, []byte(strconv.FormatInt(size, 10)))) {
			t.Fatalf("%q from %+v", out, r)
		}
		if r.negotiated(size) != (again.blksize != 0 || again.tsize) {
			t.Fatalf("negotiated %v, %q", r.negotiated(size), out)
		}
	})
}
