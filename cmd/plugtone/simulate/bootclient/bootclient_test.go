package bootclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	pin "github.com/pin/tftp/v3"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
)

func TestMain(m *testing.M) {
	if status, ran := netlab.Enter(); ran {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

var phoneMAC = dhcp.MAC{0, 0x15, 0x65, 1, 2, 3}

func TestMessageIsReadByAnotherLibrary(t *testing.T) {
	m := Message{Type: Request, XID: 0x01020304, Secs: 258, MAC: phoneMAC, Addr: netip.MustParseAddr("10.0.1.7"), Relay: netip.MustParseAddr("10.0.0.3"),
		Requested: netip.MustParseAddr("10.0.1.8"), Server: netip.MustParseAddr("10.0.0.2"), Class: "yealink", Hostname: "SIP-T46U", Params: []uint8{1, 66}, More: []byte{61, 2, 9, 9}}
	b := m.Append([]byte("before"))[len("before"):]
	got, err := dhcpv4.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.MessageType() != dhcpv4.MessageTypeRequest || got.TransactionID != (dhcpv4.TransactionID{1, 2, 3, 4}) || got.NumSeconds != 258 || got.ClientHWAddr.String() != phoneMAC.String() ||
		got.ClientIPAddr.String() != "10.0.1.7" || got.GatewayIPAddr.String() != "10.0.0.3" || got.HopCount != 1 || got.RequestedIPAddress().String() != "10.0.1.8" ||
		got.ServerIdentifier().String() != "10.0.0.2" || got.ClassIdentifier() != "yealink" || got.HostName() != "SIP-T46U" ||
		!got.IsOptionRequested(dhcpv4.OptionTFTPServerName) || !bytes.Equal(got.Options.Get(dhcpv4.OptionClientIdentifier), []byte{9, 9}) || len(b) < 300 {
		t.Errorf("%s", got.Summary())
	}
}

// reply is a server's packet for the phone, with these options.
func reply(options ...byte) []byte {
	b := make([]byte, 240)
	b[0], b[7] = 2, 9
	copy(b[16:], []byte{10, 0, 1, 7})
	copy(b[28:], phoneMAC[:])
	return append(b, options...)
}

func TestReplyIsParsed(t *testing.T) {
	b := reply(0, 54, 4, 10, 0, 0, 2, 51, 4, 0, 0, 14, 16, 53, 1, Ack, 255)
	r, ok := ParseReply(b)
	if !ok || r.XID != 9 || r.Type != Ack || r.MAC != phoneMAC || r.Addr != netip.MustParseAddr("10.0.1.7") || r.Server != netip.MustParseAddr("10.0.0.2") || r.Lease != time.Hour || &r.Packet[0] != &b[0] {
		t.Errorf("%v %+v", ok, r)
	}
	for name, b := range map[string][]byte{"no type": reply(255), "cut off": reply(53, 1), "too long": reply(53, 1, Ack, 54, 200, 1), "short": reply()[:200]} {
		if r, ok := ParseReply(b); ok {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestLostMessagesAreRepeated(t *testing.T) {
	lab := netlab.Require(t)
	ns, err := lab.Namespace("host")
	if err != nil {
		t.Fatal(err)
	}
	relay, server := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	var port *Port
	var conn *net.UDPConn
	err = ns.Do(func() (err error) {
		if err = ns.Up("lo"); err == nil {
			conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: server.AsSlice(), Port: ServerPort})
		}
		if err == nil {
			port, err = OverUDP(netip.AddrPortFrom(relay, ServerPort), server)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), port.Close() })
	go answerHalf(conn, server)
	c := port.Client(Message{MAC: phoneMAC, Relay: relay}, 3, Every(time.Second))
	r, err := c.Lease(t.Context())
	if err != nil || r.Addr != netip.MustParseAddr("10.0.1.7") || r.Server != server || c.Again != 2 {
		t.Errorf("%+v, %d again: %v", r, c.Again, err)
	}
	if n := port.Unanswered(); n != 2 {
		t.Errorf("%d unanswered, want the 2 that were lost", n)
	}
	if r, err := c.Request(t.Context(), Message{Requested: netip.MustParseAddr("10.0.1.9")}); r.Type != Nak || err == nil {
		t.Errorf("%+v, %v to an address that the server rejects", r, err)
	}
	_ = conn.Close()
	if r, err := c.Request(t.Context(), Message{Addr: r.Addr}); err == nil {
		t.Errorf("%+v without a server", r)
	}
}

// answerHalf is a server that loses the first of each two messages, and rejects 10.0.1.9.
func answerHalf(conn *net.UDPConn, server netip.Addr) {
	b := make([]byte, 2048)
	for i := 0; ; i++ {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		m, err := dhcpv4.FromBytes(b[:n])
		if err != nil || i%2 == 0 {
			continue
		}
		kind := dhcpv4.MessageTypeOffer
		if m.MessageType() == dhcpv4.MessageTypeRequest {
			kind = dhcpv4.MessageTypeAck
			if m.RequestedIPAddress().Equal(net.IPv4(10, 0, 1, 9)) {
				kind = dhcpv4.MessageTypeNak
			}
		}
		r, _ := dhcpv4.NewReplyFromRequest(m, dhcpv4.WithMessageType(kind), dhcpv4.WithYourIP(net.IPv4(10, 0, 1, 7)), dhcpv4.WithServerIP(server.AsSlice()),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server.AsSlice())))
		_, _ = conn.WriteToUDPAddrPort(r.ToBytes(), from)
	}
}

// tftpServer is another implementation, which accepts blksize.
func tftpServer(t *testing.T, files map[string][]byte) netip.AddrPort {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := pin.NewServer(func(name string, rf io.ReaderFrom) error {
		b, ok := files[name]
		if !ok {
			return errors.New("no such file")
		}
		_, err := rf.ReadFrom(bytes.NewReader(b))
		return err
	}, nil)
	go func() { _ = s.Serve(conn) }()
	t.Cleanup(s.Shutdown)
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestTFTPFetchesFromAnotherServer(t *testing.T) {
	sizes := map[string]int{"empty": 0, "block": 512, "large": 1428, "odd": 100_001}
	files := map[string][]byte{}
	for name, n := range sizes {
		files[name] = make([]byte, n)
	}
	server := tftpServer(t, files)
	for _, blksize := range []int{0, 512, 1428} {
		for _, window := range []int{0, 4} {
			c := TFTP{Server: server, Blksize: blksize, Window: window}
			for name, n := range sizes {
				if got, err := c.Fetch(t.Context(), name); err != nil || got != int64(n) {
					t.Errorf("%s with blksize %d, windowsize %d: %d bytes, %v", name, blksize, window, got, err)
				}
			}
		}
	}
	c := TFTP{Server: server}
	var refused *TFTPError
	if _, err := c.Fetch(t.Context(), "missing"); !errors.As(err, &refused) || refused.Code != 1 {
		t.Errorf("a missing file: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Fetch(ended, "odd"); err == nil {
		t.Error("a fetch goes on after its context ended")
	}
}

func TestHTTPReadsAnswersWithALength(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/file":
			_, _ = w.Write(append([]byte(r.Method+" "), body...))
		case "/endless":
			w.(http.Flusher).Flush()
		default:
			http.Error(w, "none", http.StatusNotFound)
		}
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	for _, keep := range []bool{false, true} {
		c := HTTP{From: netip.MustParseAddr("127.0.0.1"), Server: netip.MustParseAddr("127.0.0.1"), Port: l.Addr().(*net.TCPAddr).Port, Keep: keep, Timeout: 10 * time.Second}
		defer c.Close()
		for range 2 {
			var got bytes.Buffer
			if status, n, err := c.Do("PUT", "file", "ring", &got); status != 200 || n != 8 || got.String() != "PUT ring" || err != nil {
				t.Errorf("keep %t: %d, %d bytes %q, %v", keep, status, n, got.String(), err)
			}
			if n, err := c.Get("file", nil); n != 4 || err != nil {
				t.Errorf("keep %t: %d bytes, %v", keep, n, err)
			}
		}
		if _, err := c.Get("missing", nil); err == nil {
			t.Error("a 404 is a file")
		}
		if _, _, err := c.Do("GET", "endless", "", io.Discard); err == nil {
			t.Error("an answer without a length is read")
		}
	}
}
