package daemon

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"plugtone/dhcp"
)

// BenchmarkHTTPFile is a phone's own file from the socket to the socket, with timeline, log and metrics, kept alive.
func BenchmarkHTTPFile(b *testing.B) {
	r := start(b, testConfig)
	r.addPhone()
	addr := r.address("http")
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp4", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		br := bufio.NewReaderSize(c, 64<<10)
		for pb.Next() {
			fmt.Fprintf(c, "GET /001565123456.cfg HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != 200 {
				b.Error(resp, err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
	})
}

// BenchmarkTFTPFile is the same over TFTP with blocks of 512 bytes, twenty phones at once.
func BenchmarkTFTPFile(b *testing.B) {
	r := start(b, testConfig)
	r.addPhone()
	to, err := net.ResolveUDPAddr("udp4", r.address("tftp"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(10)
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 2000)
		for pb.Next() {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				b.Error(err)
				return
			}
			out, peer := []byte("\x00\x01001565123456.cfg\x00octet\x00"), to
			for {
				_, _ = c.WriteToUDP(out, peer)
				n, from, err := c.ReadFromUDP(buf)
				if err != nil {
					b.Error(err)
					return
				}
				peer = from
				out = append([]byte{0, 4}, buf[2:4]...)
				if n < 516 {
					_, _ = c.WriteToUDP(out, peer)
					break
				}
			}
			_ = c.Close()
		}
	})
}

// BenchmarkPolicyOfStranger is what the two packets of a new client without a record cost before the lease table is locked.
func BenchmarkPolicyOfStranger(b *testing.B) {
	r := start(b, testConfig)
	r.addPhone()
	client := dhcp.Client{Params: []uint8{1, 3, 6, 15, 42, 66}}
	site := dhcp.Site{Subnet: netip.MustParsePrefix("10.0.0.0/8"), Phones: dhcp.PhonesProvision, NextServer: netip.MustParseAddr("10.0.0.2")}
	b.ReportAllocs()
	for n := uint32(0); b.Loop(); n++ {
		binary.BigEndian.PutUint32(client.MAC[2:], n)
		for range 2 {
			if p := r.service.PolicyFor(client, site); p.Phone {
				b.Fatal(p.Reason)
			}
		}
	}
}
