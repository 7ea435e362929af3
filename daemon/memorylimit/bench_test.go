package memorylimit

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkReplyBesideGrant measures how late a goroutine runs that waits in the kernel, as the one that reads DHCP packets does, while
// another reads 40 MB and makes records of them: the 99th percentile, and the longest.
func BenchmarkReplyBesideGrant(b *testing.B) {
	l := &Limit{base: 144 << 20, percent: 200}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(l.base))
	defer debug.SetGCPercent(debug.SetGCPercent(int(l.percent)))
	l.afterCollection()
	defer l.Release()
	for _, v := range []struct {
		name  string
		grant func() (done func())
	}{
		{"granted", func() func() { return l.Grant(600 << 20) }},
		{"limitAlone", func() func() { l.grant(large - 1); return func() { l.grant(1 - large) } }},
	} {
		b.Run(v.name, func(b *testing.B) {
			for b.Loop() {
				stop, took := make(chan struct{}), make(chan []time.Duration)
				go func() { took <- replies(stop) }()
				done := v.grant()
				applyFleet()
				done()
				close(stop)
				late := <-took
				slices.Sort(late)
				b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "ms-p99")
				b.ReportMetric(float64(late[len(late)-1].Microseconds())/1000, "ms-longest")
			}
		})
	}
}

// replies waits in the kernel for 2.5 ms at a time, and then allocates as for a reply. It returns how late each was.
func replies(stop chan struct{}) (late []time.Duration) {
	for due := time.Now(); ; due = due.Add(2500 * time.Microsecond) {
		if wait := time.Until(due); wait > 0 {
			t := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&t, nil)
		}
		select {
		case <-stop:
			return late
		default:
		}
		for range 50 {
			kept = make([]byte, 128)
		}
		late = append(late, time.Since(due))
	}
}

var kept []byte

// applyFleet allocates as an apply does: the body, then many records, part of which stay.
func applyFleet() {
	var body []byte
	for part := make([]byte, 64<<10); len(body) < 40<<20; {
		body = append(body, part...)
	}
	records := map[int][]string{}
	for i := range 400_000 {
		record := make([]string, 20)
		for n := range record {
			record[n] = string(body[i : i+20])
		}
		if i%2 == 0 {
			records[i] = record
		}
	}
	runtime.KeepAlive(records)
}
