package copies

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"plugtone/dhcp"
)

// BenchmarkManyMembers prints what docs/cluster.md states of copies: requests, bytes of answers and processor time of all members, without phones
// and for each upload of 10 kB and each fetch. TLS and the headers of HTTP are not included.
func BenchmarkManyMembers(b *testing.B) {
	for _, members := range []int{2, 5, 50} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			n := newNetwork(b)
			var all []*member
			for i := range members {
				m := n.add(fmt.Sprintf("m%d", i))
				m.start()
				defer m.stop()
				all = append(all, m)
			}
			time.Sleep(3 * time.Second) // they compare first
			measure := func(what string, times float64, do func()) {
				requests, bytes, cpu, began := n.requests.Load(), n.answered.Load(), processorTime(b), time.Now()
				do()
				b.Logf("%s: %.2f requests, %.0f bytes, processor %.1f us, in %s", what, float64(n.requests.Load()-requests)/times, float64(n.answered.Load()-bytes)/times,
					float64((processorTime(b)-cpu).Microseconds())/times, time.Since(began).Round(time.Millisecond))
			}
			copied := func(what string, want uint64) {
				for _, m := range all[1:] {
					for m.Stats().Items[[2]string{what, outcomeCopied}] < want {
						time.Sleep(20 * time.Millisecond) // what is copied is measured in real time
					}
				}
			}
			const seconds, uploads, fetches = 24, 50, 1000
			measure("a second without phones", seconds, func() { time.Sleep(seconds * time.Second) }) // what goes on meanwhile is measured
			body := strings.Repeat("0123456789", 1000)
			measure("an upload of 10 kB", uploads, func() {
				for i := range uploads {
					all[0].upload(dhcp.MAC{0, 0x15, 0x65, 1, 0, byte(i)}, "phone.cfg", body)
				}
				copied(Upload, uploads)
			})
			measure("a fetch", fetches, func() {
				for i := range fetches {
					all[0].fetch(dhcp.MAC{0, 0x15, 0x65, 2, byte(i >> 8), byte(i)}, "phone.cfg", strings.Repeat("0", 64))
				}
				copied(Fetch, fetches)
			})
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
