package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

func TestDecodeReadsEveryField(t *testing.T) {
	p := dhcptest.Packet(dhcp.MessageTypeRequest, 50, 4, 10, 20, 0, 7, 54, 4, 10, 20, 0, 2, 55, 5, 3, 1, 3, 66, 0, 57, 2, 5, 220, 12, 3, 'a', 0xff, 0, 60, 7, 'y', 'e', 'a', 'l', 'i', 'n', 'k', 61, 2, 0, 9, 255)
	copy(p[12:], []byte{10, 20, 0, 9})
	p[10] = 0x80
	r, err := Decode(p)
	if err != nil {
		t.Fatal(err)
	}
	want := &dhcp.Request{
		Type: dhcp.MessageTypeRequest, XID: [4]byte{0xde, 0xad, 0xbe, 0xef}, Flags: 0x8000, CHAddr: r.CHAddr, MAC: dhcp.MAC{0x00, 0x15, 0x65, 0x12, 0x34, 0x56},
		CIAddr: dhcptest.Addr("10.20.0.9"), Requested: dhcptest.Addr("10.20.0.7"), ServerID: dhcptest.Addr("10.20.0.2"), MaxSize: 1500, HasParams: true,
		Client: dhcp.Client{
			MAC: dhcp.MAC{0x00, 0x15, 0x65, 0x12, 0x34, 0x56}, ClientID: "\x00\x09", VendorClass: "yealink", Hostname: "a?",
			Params: []uint8{3, 1, 66}, // C23: duplicates collapse
		},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
}

// C51 and C09: what must be refused, and what must not.
func TestDecodeRefusesMalformedPackets(t *testing.T) {
	set := func(i int, v byte) []byte {
		p := append(dhcptest.Packet(dhcp.MessageTypeDiscover), 255)
		p[i] = v
		return p
	}
	tests := map[string]struct {
		buf []byte
		ok  bool
	}{
		"no bytes":                         {nil, false},
		"no cookie":                        {dhcptest.Packet(dhcp.MessageTypeDiscover)[:239], false},
		"wrong cookie":                     {set(236, 1), false},
		"C51 240 bytes without options":    {dhcptest.Packet(dhcp.MessageTypeDiscover)[:240], true}, // plain BOOTP; Decide ignores it
		"C51 no END":                       {dhcptest.Packet(dhcp.MessageTypeDiscover), true},
		"C51 padding after END":            {append(dhcptest.Packet(dhcp.MessageTypeDiscover, 255), make([]byte, 100)...), true},
		"op is a reply's (C18)":            {set(0, 2), false},
		"C51 hlen 0":                       {set(2, 0), false},
		"C51 hlen 7":                       {set(2, 7), false},
		"C51 hlen 16":                      {set(2, 16), false},
		"C51 hlen 17":                      {set(2, 17), false},
		"C51 htype 6":                      {set(1, 6), false},
		"multicast chaddr":                 {set(28, 1), false},
		"C51 option longer than the rest":  {dhcptest.Packet(dhcp.MessageTypeDiscover, 12, 9, 'a'), false},
		"C51 option longer by one":         {dhcptest.Packet(dhcp.MessageTypeDiscover, 12, 2, 'a'), false},
		"C51 code without length":          {dhcptest.Packet(dhcp.MessageTypeDiscover, 12), false},
		"C51 empty 12, 60, 61 and 55":      {dhcptest.Packet(dhcp.MessageTypeDiscover, 12, 0, 60, 0, 61, 0, 55, 0, 255), true},
		"C25 option 52 of 4":               {dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 1, 4, 255), false},
		"C25 option 52 of 0":               {dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 1, 0, 255), false},
		"C25 option 52 of 2 bytes":         {dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 2, 1, 1, 255), false},
		"C25 option 52 empty":              {dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 0, 255), false},
		"C51 a giant of 1500 bytes":        {append(dhcptest.Packet(dhcp.MessageTypeDiscover, 255), make([]byte, 1256)...), true},
		"C51 more than the receive buffer": {append(dhcptest.Packet(dhcp.MessageTypeDiscover, 255), make([]byte, 4096)...), false},
		"C09 option 50 of 3 bytes":         {dhcptest.Packet(dhcp.MessageTypeRequest, 50, 3, 1, 2, 3, 255), false},
		"C09 option 54 of 5 bytes":         {dhcptest.Packet(dhcp.MessageTypeRequest, 54, 5, 1, 2, 3, 4, 5, 255), false},
		"C09 option 54 empty":              {dhcptest.Packet(dhcp.MessageTypeRequest, 54, 0, 255), false},
		"C09 option 51 of 2 bytes":         {dhcptest.Packet(dhcp.MessageTypeDiscover, 51, 2, 1, 2, 255), false},
		"C09 option 57 of 1 byte":          {dhcptest.Packet(dhcp.MessageTypeDiscover, 57, 1, 2, 255), false},
		"C09 option 118 of 1 byte":         {dhcptest.Packet(dhcp.MessageTypeDiscover, 118, 1, 2, 255), false},
		"C09 option 82.5 of 1 byte":        {dhcptest.Packet(dhcp.MessageTypeDiscover, 82, 3, 5, 1, 2, 255), false},
		"option 53 twice":                  {dhcptest.Packet(dhcp.MessageTypeDiscover, 53, 1, 3, 255), false},
		"option 52 of 4":                   {dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 1, 4, 255), false},
		"C48 option 90":                    {dhcptest.Packet(dhcp.MessageTypeDiscover, 90, 3, 1, 2, 3, 255), true},
		"C29 option 82 that can't be read": {dhcptest.Packet(dhcp.MessageTypeDiscover, 82, 2, 1, 9, 255), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := Decode(tc.buf)
			if (err == nil) != tc.ok {
				t.Fatalf("error %v, want ok %v", err, tc.ok)
			}
			var m *MalformedError
			if err != nil && (!errors.As(err, &m) || r != nil) {
				t.Errorf("error is %T with request %v, want a *MalformedError and none", err, r)
			}
		})
	}
}

// C25: options in file and sname are read, in that order, only when option 52 is set for them.
func TestDecodeReadsOverloadedFieldsOnlyWithOption52(t *testing.T) {
	p := dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 1, 3, 12, 1, 'a', 255)
	copy(p[108:], []byte{12, 1, 'b', 60, 2, 'p', 'h', 255})
	copy(p[44:], []byte{12, 1, 'c', 255})
	r, err := Decode(p)
	if err != nil {
		t.Fatal(err)
	}
	if r.Client.Hostname != "abc" || r.Client.VendorClass != "ph" {
		t.Errorf("host name %q, vendor class %q", r.Client.Hostname, r.Client.VendorClass)
	}
	full := dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 1, 2, 255) // C51: no END there either
	copy(full[44:], append([]byte{12, 62}, strings.Repeat("d", 62)...))
	if r, err = Decode(full); err != nil || r.Client.Hostname != strings.Repeat("d", 62) {
		t.Errorf("a full sname: %+v %v", r, err)
	}
	p[240+3] = 12 // option 52 becomes a host name
	if r, err = Decode(p); err != nil || r.Client.VendorClass != "" {
		t.Errorf("file was read without option 52: %v %v", r, err)
	}
}

// C26: parts of a long option are joined (RFC 3396).
func TestDecodeLongOption(t *testing.T) {
	long := strings.Repeat("x", 300)
	opts := append([]byte{43, 255}, long[:255]...)
	opts = append(opts, 43, 45)
	opts = append(opts, long[255:]...)
	r, err := Decode(dhcptest.Packet(dhcp.MessageTypeDiscover, append(opts, 255)...))
	if err != nil || r.Client.VendorInfo != long {
		t.Errorf("option 43 has %d bytes, want 300 (%v)", len(r.Client.VendorInfo), err)
	}
}

// C30: the sub-options of option 82.
func TestDecodeRelayInfo(t *testing.T) {
	info := []byte{1, 2, 'g', '7', 2, 2, 's', 'w', 5, 4, 10, 30, 0, 0, 11, 4, 10, 30, 0, 1, 19, 0}
	r, err := Decode(dhcptest.Packet(dhcp.MessageTypeDiscover, append(append([]byte{82, byte(len(info))}, info...), 255)...))
	if err != nil {
		t.Fatal(err)
	}
	if r.Client.CircuitID != "g7" || r.Client.RemoteID != "sw" || r.LinkSelection != dhcptest.Addr("10.30.0.0") || r.ServerOverride != dhcptest.Addr("10.30.0.1") || !r.RelayPort || r.RelayInfo != string(info) {
		t.Errorf("%+v", r)
	}
}

// router7 kept slices of its receive buffer three times.
func TestRouter7NoAliasOfReceiveBuffer(t *testing.T) {
	p := dhcptest.Packet(dhcp.MessageTypeDiscover, 12, 3, 'f', 'o', 'o', 55, 2, 1, 3, 60, 1, 'y', 61, 2, 1, 2, 82, 4, 1, 2, 'g', '7', 56, 1, 'm', 255)
	r, _ := Decode(p)
	twin, _ := Decode(bytes.Clone(p))
	for i := range p {
		p[i] = 0xaa
	}
	if !reflect.DeepEqual(r, twin) {
		t.Errorf("the request changed with the buffer:\n%+v\n%+v", r, twin)
	}
}

// router7 stumbled over host names that aren't UTF-8; C31: a NUL at the end is no part of the name.
func TestRouter7HostnameNotUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"snom":                   "snom",
		"snom\x00\x00":           "snom",
		"M\xfcller":              "M?ller",
		"a\nb":                   "a?b",
		"a\u0085\u2028b":         "a??b",
		strings.Repeat("é", 40):  strings.Repeat("é", 31),
		strings.Repeat("x", 200): strings.Repeat("x", 63),
	} {
		if got := hostname([]byte(in)); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// router7 compared addresses as slices of 4 and of 16 bytes.
func TestRouter7AddressesAreValues(t *testing.T) {
	if a := addrAt([]byte{10, 0, 0, 1, 9}); a != netip.MustParseAddr("10.0.0.1") || !a.Is4() {
		t.Errorf("%v is not 10.0.0.1", a)
	}
	if a := addrAt([]byte{0, 0, 0, 0}); a.IsValid() {
		t.Errorf("0.0.0.0 becomes %v, want no address", a)
	}
}

// C52: another server's OFFER is read, to be reported.
func TestDecodeReadsOffersOfOtherServers(t *testing.T) {
	p := dhcptest.Packet(dhcp.MessageTypeOffer, 54, 4, 192, 168, 1, 1, 255)
	p[0] = 2
	copy(p[16:], []byte{192, 168, 1, 50})
	f, err := DecodeServerMessage(p)
	if err != nil || f.Type != dhcp.MessageTypeOffer || f.ServerID != dhcptest.Addr("192.168.1.1") || f.YIAddr != dhcptest.Addr("192.168.1.50") {
		t.Errorf("%+v %v", f, err)
	}
	if _, err := DecodeServerMessage(dhcptest.Packet(dhcp.MessageTypeDiscover, 255)); err == nil {
		t.Error("a client's message is no server's")
	}
}

// C54: for how long a client has been trying is read.
func TestDecodeSecsC54(t *testing.T) {
	p := dhcptest.Packet(dhcp.MessageTypeDiscover)
	p[8], p[9] = 1, 2
	r, err := Decode(p)
	if err != nil || r.Secs != 0x0102 {
		t.Errorf("%+v, %v", r, err)
	}
}
