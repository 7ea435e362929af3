package netif

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"testing"

	"plugtone/dhcp"
)

func sampleFrame(payload []byte) Frame {
	return Frame{
		Src:     Endpoint{MAC: dhcp.MAC{2, 0, 0, 0, 0, 1}, Addr: netip.MustParseAddr("10.20.0.2"), Port: 67},
		Dst:     Endpoint{MAC: dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}, Addr: netip.MustParseAddr("10.20.1.7"), Port: 68},
		Payload: payload,
	}
}

// TestFramesEqualThoseOfAnotherProgram compares with frames that another program (Python's struct, after RFC 791 and RFC 768) made.
func TestFramesEqualThoseOfAnotherProgram(t *testing.T) {
	for name, c := range map[string]struct{ payload, want string }{
		"odd length": {"abc", "001565123456" + "020000000001" + "0800" +
			"4510001f000000004011658e" + "0a140002" + "0a140107" + "00430044000b25be" + "616263"},
		"checksum zero is sent as ffff (RFC 768)": {"\xea\x22", "001565123456" + "020000000001" + "0800" +
			"4510001e000000004011658f" + "0a140002" + "0a140107" + "00430044000affff" + "ea22"},
	} {
		if got := hex.EncodeToString(sampleFrame([]byte(c.payload)).Append(nil)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// TestFrameReadsBack prints frames of every length and reads them again; the checksums come out even.
func TestFrameReadsBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 1473 {
		f := sampleFrame(make([]byte, n))
		for i := range f.Payload {
			f.Payload[i] = byte(r.Uint32())
		}
		b := f.Append([]byte("head"))[4:]
		got, ok := ParseFrame(b)
		if !ok || got.Src != f.Src || got.Dst != f.Dst || !bytes.Equal(got.Payload, f.Payload) {
			t.Fatalf("%d bytes: read back %+v %v", n, got, ok)
		}
		ip := b[etherLen : etherLen+ipLen]
		if s := fold(sum(0, ip)); s != 0xffff {
			t.Fatalf("%d bytes: IP header sums up to %04x", n, s)
		}
		udp := b[etherLen+ipLen:]
		if s := fold(sum(pseudoHeader([4]byte(ip[12:]), [4]byte(ip[16:]), len(udp)), udp)); s != 0xffff || binary.BigEndian.Uint16(udp[6:]) == 0 {
			t.Fatalf("%d bytes: datagram sums up to %04x", n, s)
		}
	}
}

func TestParseFrameRefuses(t *testing.T) {
	whole := sampleFrame([]byte("payload")).Append(nil)
	for name, damage := range map[string]func(b []byte) []byte{
		"no IPv4":               func(b []byte) []byte { b[13] = 6; return b },
		"IP version 6":          func(b []byte) []byte { b[14] = 0x65; return b },
		"TCP":                   func(b []byte) []byte { b[23] = 6; return b },
		"header of 4 words":     func(b []byte) []byte { b[14] = 0x44; return b },
		"header beyond the end": func(b []byte) []byte { b[14] = 0x4f; return b },
		"first fragment":        func(b []byte) []byte { b[20] = 0x20; return b },
		"later fragment":        func(b []byte) []byte { b[21] = 1; return b },
		"total too long":        func(b []byte) []byte { b[17]++; return b },
		"total too short":       func(b []byte) []byte { b[16], b[17] = 0, 27; return b },
		"UDP length too long":   func(b []byte) []byte { b[39]++; return b },
		"UDP length too short":  func(b []byte) []byte { b[39] = 7; return b },
	} {
		if f, ok := ParseFrame(damage(bytes.Clone(whole))); ok {
			t.Errorf("%s: taken as %+v", name, f)
		}
	}
	for n := range whole {
		if _, ok := ParseFrame(whole[:n]); ok {
			t.Errorf("cut to %d bytes: taken", n)
		}
	}
	// Padding behind the packet, as short Ethernet frames have it, is no part of it.
	if f, ok := ParseFrame(append(bytes.Clone(whole), make([]byte, 9)...)); !ok || string(f.Payload) != "payload" {
		t.Errorf("padded: %q %v", f.Payload, ok)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(sampleFrame([]byte("payload")).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := ParseFrame(b)
		if !ok {
			return
		}
		again, ok := ParseFrame(got.Append(nil))
		if !ok || again.Src != got.Src || again.Dst != got.Dst || !bytes.Equal(again.Payload, got.Payload) {
			t.Errorf("%x: %+v printed and read is %+v", b, got, again)
		}
	})
}

func TestARPMessagesFollowRFC5227(t *testing.T) {
	// RFC 5227, 2.1.1: sender address all zero, target hardware address all zero.
	got := hex.EncodeToString(arpProbe(dhcp.MAC{2, 0, 0, 0, 0, 1}, netip.MustParseAddr("10.20.1.7")))
	if want := "0001080006040001" + "020000000001" + "00000000" + "000000000000" + "0a140107"; got != want {
		t.Errorf("probe %s, want %s", got, want)
	}
	answer, err := hex.DecodeString("0001080006040002" + "001565123456" + "0a140107" + "020000000001" + "00000000")
	if err != nil {
		t.Fatal(err)
	}
	mac, addr, ok := parseARP(answer)
	if !ok || mac.String() != "00:15:65:12:34:56" || addr.String() != "10.20.1.7" {
		t.Errorf("answer read as %s %s %v", mac, addr, ok)
	}
	for i := range 8 {
		b := bytes.Clone(answer)
		b[i] ^= 0x40
		if _, _, ok := parseARP(b); ok {
			t.Errorf("answer with byte %d wrong: taken", i)
		}
	}
	if _, _, ok := parseARP(answer[:27]); ok {
		t.Error("answer cut short: taken")
	}
}
