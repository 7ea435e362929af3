package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

func reply(opts ...dhcp.Option) *dhcp.Reply {
	id := []byte{10, 20, 0, 2}
	all := append([]dhcp.Option{{Code: 53, Data: []byte{2}}, {Code: 54, Data: id}}, opts...)
	return &dhcp.Reply{Type: dhcp.MessageTypeOffer, XID: [4]byte{1, 2, 3, 4}, YIAddr: dhcptest.Addr("10.20.0.7"), ServerID: dhcptest.Addr("10.20.0.2"), Options: all}
}

func opt(code uint8, size int) dhcp.Option {
	return dhcp.Option{Code: code, Data: bytes.Repeat([]byte{'x'}, size)}
}

// C19, C22, C27, C29: header copied, options in the order given, 82 last, padded to 300.
func TestEncodeWritesHeaderAndOptionsInOrder(t *testing.T) {
	r := reply(opt(3, 4), opt(1, 4))
	r.Flags, r.CHAddr, r.GIAddr, r.SIAddr, r.RelayInfo = 0x8000, [16]byte{1, 2, 3, 4, 5, 6, 7}, dhcptest.Addr("10.30.0.1"), dhcptest.Addr("10.20.0.2"), "\x01\x01a"
	p, dropped := Encode(r, nil, 1500)
	if len(p) != 300 || len(dropped) != 0 {
		t.Errorf("%d bytes, dropped %v", len(p), dropped)
	}
	if got := dhcptest.OptionOrder(p); !slices.Equal(got, []uint8{53, 54, 3, 1, 82}) {
		t.Errorf("order %v", got)
	}
	m := dhcptest.Parsed(t, p)
	if m.TransactionID != [4]byte{1, 2, 3, 4} || !m.IsBroadcast() || !bytes.Equal(p[28:44], r.CHAddr[:]) || addrAt(m.YourIPAddr.To4()) != r.YIAddr ||
		addrAt(m.GatewayIPAddr.To4()) != r.GIAddr || addrAt(m.ServerIPAddr.To4()) != r.SIAddr || m.ClientIPAddr.String() != "0.0.0.0" || m.HopCount != 0 || m.NumSeconds != 0 {
		t.Errorf("%+v", m)
	}
	if prefix, _ := Encode(r, []byte("head"), 1500); string(prefix[:4]) != "head" || !bytes.Equal(prefix[4:], p) {
		t.Error("Encode does not append")
	}
}

// C24: the datagram never exceeds max(576, min(option 57, MTU)), and dropped options are reported.
func TestEncodeMaxSizeC24(t *testing.T) {
	for _, tc := range []struct {
		name          string
		size, mtu, of int
		want          int // payload bytes at most
	}{
		{"no option 57", 0, 1500, 800, 548},
		{"less than the minimum", 300, 1500, 800, 548},
		{"more", 1000, 1500, 690, 972},
		{"more than the MTU", 9000, 1400, 2000, 1372},
		{"more than a tunnel's MTU", 1500, 1280, 1100, 1252},
		{"no MTU known", 1500, 0, 1100, 1472},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := reply(opt(1, 4), opt(43, tc.of-10), opt(15, 10), opt(51, 4))
			r.MaxSize = tc.size
			p, dropped := Encode(r, nil, tc.mtu)
			if len(p) > tc.want {
				t.Errorf("%d bytes, at most %d", len(p), tc.want)
			}
			if permitted := 240+3+6+6+6+12+optionSize(tc.of-10)+1 <= tc.want; permitted == slices.Contains(dropped, 43) {
				t.Errorf("dropped %v though fits is %v", dropped, permitted)
			}
			if tc.size == 1000 && len(p) < 950 {
				t.Errorf("%d bytes: the room that the client gave is not used", len(p))
			}
		})
	}
}

// C24, C29: what a relay added counts, so that the datagram that goes to it stays within the limit, too.
func TestEncodeRelayInfoNeedsRoomC24(t *testing.T) {
	r := reply(opt(1, 4), opt(6, 200), opt(15, 50), opt(51, 4))
	if _, dropped := Encode(r, nil, 1500); len(dropped) != 0 {
		t.Fatalf("dropped %v without a relay", dropped)
	}
	r.RelayInfo = string(append([]byte{1, 40}, make([]byte, 40)...))
	p, dropped := Encode(r, nil, 1500)
	if len(p) > 548 || !slices.Equal(dropped, []uint8{15}) || dhcptest.OptionOrder(p)[len(dhcptest.OptionOrder(p))-1] != 82 {
		t.Errorf("%d bytes, dropped %v, sent %v", len(p), dropped, dhcptest.OptionOrder(p))
	}
}

// C11, C19: the broadcast flag is the client's own but in a NAK through a relay.
func TestEncodeBroadcastFlagC11(t *testing.T) {
	for _, tc := range []struct {
		typ   dhcp.MessageType
		relay string
		flag  bool
	}{{dhcp.MessageTypeNak, "10.30.0.1", true}, {dhcp.MessageTypeNak, "", false}, {dhcp.MessageTypeOffer, "10.30.0.1", false}, {dhcp.MessageTypeAck, "", false}} {
		r := reply(opt(1, 4))
		if r.Type = tc.typ; tc.relay != "" {
			r.GIAddr = dhcptest.Addr(tc.relay)
		}
		if p, _ := Encode(r, nil, 1500); (p[10]&0x80 != 0) != tc.flag {
			t.Errorf("%s through %q: flags %x", tc.typ, tc.relay, p[10:12])
		}
	}
}

// C24: options requested last are dropped first, then forced options; those that the client needs never.
func TestEncodeDroppingOrderC24(t *testing.T) {
	forced := opt(66, 200)
	forced.Force = true
	r := reply(opt(1, 4), forced, opt(6, 40), opt(43, 100), opt(15, 100), opt(51, 4))
	_, dropped := Encode(r, nil, 1500)
	if !slices.Equal(dropped, []uint8{15, 43}) && !slices.Equal(dropped, []uint8{15}) {
		t.Errorf("dropped %v, want from the end", dropped)
	}
	forced.Data = bytes.Repeat([]byte{'x'}, 270)
	other := opt(43, 200)
	other.Force = true
	r = reply(opt(1, 4), opt(6, 40), forced, other, opt(51, 4))
	p, dropped := Encode(r, nil, 1500)
	if !slices.Equal(dropped, []uint8{6, 43}) || !slices.Equal(dhcptest.OptionOrder(p), []uint8{53, 54, 1, 66, 66, 51}) {
		t.Errorf("dropped %v, sent %v", dropped, dhcptest.OptionOrder(p))
	}
}

// C24: with any values that a reply must repeat, the datagram stays within the size that the client accepts; so does a NAK.
func TestEncodeHardLimitC24(t *testing.T) {
	for name, r := range map[string]*dhcp.Reply{
		"offer": reply(opt(1, 4), opt(3, 4), opt(66, 30), opt(51, 4), opt(58, 4), opt(59, 4), opt(61, 400)),
		"nak":   {Type: dhcp.MessageTypeNak, Options: []dhcp.Option{{Code: 53, Data: []byte{6}}, {Code: 54, Data: []byte{10, 20, 0, 2}}, opt(56, 60), opt(61, 600)}},
	} {
		p, dropped := Encode(r, nil, 1500)
		if len(p) > 548 || !slices.Contains(dropped, 61) {
			t.Errorf("%s: %d bytes, dropped %v", name, len(p), dropped)
		}
		if got := dhcptest.OptionOrder(p); got[0] != 53 || got[1] != 54 {
			t.Errorf("%s: order %v", name, got)
		}
	}
}

// C25: file and sname take what does not fit, only for clients that sent a parameter list.
func TestEncodeOverloadC25(t *testing.T) {
	r := reply(opt(1, 4), opt(43, 255), opt(66, 20), opt(15, 50), opt(67, 100), opt(51, 4))
	if _, dropped := Encode(r, nil, 1500); len(dropped) == 0 {
		t.Error("nothing dropped without option 55")
	}
	r.Overload = true
	p, dropped := Encode(r, nil, 1500)
	if len(dropped) != 0 || len(p) > 548 {
		t.Fatalf("dropped %v, %d bytes", dropped, len(p))
	}
	p[0] = 1 // read back as a request: our decoder supports overload
	p[28] = 2
	var m options
	if err := m.parse(p, opRequest); err != nil {
		t.Fatal(err)
	}
	for code, size := range map[uint8]int{43: 255, 66: 20, 15: 50, 67: 100, 51: 4} {
		if len(m[code]) != size {
			t.Errorf("option %d arrives with %d bytes, want %d", code, len(m[code]), size)
		}
	}
	if o := dhcptest.OptionOrder(p); o[0] != 53 || o[1] != 54 || o[2] != 52 {
		t.Errorf("order %v", o)
	}
}

// C26: only what is longer than 255 bytes is split.
func TestEncodeLongOptionC26(t *testing.T) {
	r := reply(opt(43, 255), opt(125, 256))
	r.MaxSize = 1500
	p, _ := Encode(r, nil, 1500)
	if got := dhcptest.OptionOrder(p); !slices.Equal(got, []uint8{53, 54, 43, 125, 125}) {
		t.Errorf("order %v", got)
	}
	if m := dhcptest.Parsed(t, p); len(m.Options[125]) != 256 {
		t.Errorf("option 125 has %d bytes", len(m.Options[125]))
	}
}

func TestSummaryNamesEveryOptionOfAReply(t *testing.T) {
	r := reply(opt(1, 4), dhcp.Option{Code: 66, Data: []byte("http://10.20.0.2/\x00")}, dhcp.Option{Code: 150, Data: []byte{10, 20, 0, 2}}, dhcp.Option{Code: 43, Data: []byte{1, 2}}, opt(15, 3))
	r.RelayInfo = "x"
	if got, want := Summary(r, []uint8{15}), "53 54 1 66=http://10.20.0.2/ 150=10.20.0.2 43=0x0102 82"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if strings.Contains(Summary(r, nil), "\x00") {
		t.Error("a NUL in the summary")
	}
}
