package main

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/ipv4"
)

// pnpResponder: pnp-responder HOST ADDR is a server that answers each SUBSCRIBE to 224.0.1.75 with 200, from a port of ADDR, as RFC 3261, 8.2.6 has it. It sends no NOTIFY.
func (s *scriptEnv) pnpResponder(ts *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: pnp-responder HOST ADDR")
	}
	return s.hosts[args[0]].ns.Do(func() error {
		group := net.IPv4(224, 0, 1, 75)
		in, err := net.ListenUDP("udp4", &net.UDPAddr{IP: group, Port: 5060})
		if err != nil {
			return err
		}
		ts.Defer(func() { in.Close() })
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if err := ipv4.NewPacketConn(in).JoinGroup(link, &net.UDPAddr{IP: group}); err != nil {
			return err
		}
		out, err := net.ListenUDP("udp4", &net.UDPAddr{IP: netip.MustParseAddr(args[1]).AsSlice()})
		if err != nil {
			return err
		}
		ts.Defer(func() { out.Close() })
		go answerSubscribes(in, out)
		return nil
	})
}

func answerSubscribes(in, out *net.UDPConn) {
	buf := make([]byte, 8192)
	for {
		n, from, err := in.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed at the end of the script
		}
		reply := "SIP/2.0 200 OK\r\n"
		for line := range strings.SplitSeq(string(buf[:n]), "\r\n") {
			switch name, _, _ := strings.Cut(line, ":"); name {
			case "Via", "From", "To", "Call-ID", "CSeq":
				reply += line + "\r\n"
			}
		}
		_, _ = out.WriteToUDPAddrPort([]byte(reply+"Content-Length: 0\r\n\r\n"), from) // the client repeats its request when it is lost
	}
}
