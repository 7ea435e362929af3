package tftp

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	pin "github.com/pin/tftp/v3"
)

// BenchmarkTFTP: 10 kB files to 50 clients at a time, lock-step, over loopback. The clients are the library's and run in
// the same process, so the CPU time reported is server and client together.
func BenchmarkTFTP(b *testing.B) {
	for _, blksize := range []int{0, 1428} {
		b.Run(fmt.Sprint("blksize=", blksize), func(b *testing.B) {
			body := bytes.Repeat([]byte("x"), 10_000)
			s := start(b, Config{}, file(string(body)))
			jobs := make(chan struct{})
			var clients sync.WaitGroup
			for range 50 {
				clients.Go(func() {
					c, err := pin.NewClient(s.addr.String())
					if err != nil {
						b.Error(err)
						return
					}
					if blksize > 0 {
						c.SetBlockSize(blksize)
					}
					for range jobs {
						r, err := c.Receive("001565123456.cfg", "octet")
						if err != nil {
							b.Error(err)
							continue
						}
						if n, err := r.WriteTo(io.Discard); err != nil || n != int64(len(body)) {
							b.Error(n, err)
						}
					}
				})
			}
			before := cpu()
			for b.Loop() {
				jobs <- struct{}{}
			}
			close(jobs)
			clients.Wait()
			b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-µs/op")
			b.SetBytes(int64(len(body)))
		})
	}
}

// BenchmarkSocket is what the sockets of transfers cost that follow each other: a new one for each, and one that gets another port.
func BenchmarkSocket(b *testing.B) {
	for _, again := range []bool{false, true} {
		b.Run(fmt.Sprint("again=", again), func(b *testing.B) {
			l := newTestLoop(b)
			for b.Loop() {
				sock, err := l.socket(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort("127.0.0.1:9"))
				if err != nil {
					b.Fatal(err)
				}
				if again {
					l.save(&sock)
				}
				sock.close()
			}
		})
	}
}

// cpu is the process's CPU time in nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
