package daemon

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
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
