package main

import (
	"net/netip"
	"testing"
)

// reply is a frame with a DHCP reply for a phone.
func reply(n int, options ...byte) []byte {
	f := make([]byte, 14+20+8+240)
	f[14] = 0x45
	b := f[14+20+8:]
	b[0], b[7] = 2, 9
	copy(b[16:], []byte{10, 0, 1, 7})
	mac := phoneMAC(n)
	copy(b[28:], mac[:])
	return append(f, options...)
}

func TestReplyIsParsed(t *testing.T) {
	phone, h, ok := parseReply(reply(700, 0, 54, 4, 10, 0, 0, 2, 53, 1, ack, 255))
	want := received{xid: 9, kind: ack, addr: netip.MustParseAddr("10.0.1.7"), server: [4]byte{10, 0, 0, 2}}
	if !ok || phone != 700 || h != want {
		t.Errorf("received %d %+v %v, want 700 %+v", phone, h, ok, want)
	}
	foreign := reply(1, 53, 1, ack, 255)
	foreign[14+20+8+28] = 0xfe
	for name, frame := range map[string][]byte{
		"no type": reply(1, 255), "cut off": reply(1, 53, 1), "too long": reply(1, 53, 1, ack, 54, 200, 1), "another's MAC": foreign, "short": reply(1)[:200],
	} {
		if phone, h, ok := parseReply(frame); ok {
			t.Errorf("%s: received %d %+v, want nothing", name, phone, h)
		}
	}
}

func TestChecksumIsThatOfRFC1071(t *testing.T) {
	h := []byte{0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7}
	if got := checksum(h); got != 0xb861 {
		t.Errorf("checksum %#x, want 0xb861", got)
	}
}
