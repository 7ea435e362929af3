package server

import (
	"time"

	"golang.org/x/sys/unix"
)

// While packets come more often than every usualGap, the read of the socket is delayed until collectFor after the last one, so that
// the replies of several clients share one write to disk, and one wake-up of the thread. It is kept for CPU time: an exchange takes 33 % less at
// 4,000 a second, 27 % less at 8,000 and nothing less at 24,000. It costs latency: at 4,000 the ACK comes 0.7 ms later (docs/performance.md).
// With fewer packets nothing waits, so a lone reply never does. Nor does it in a flood, for which the receive buffer may be too small.
const (
	usualGap   = 200 * time.Microsecond // 2,500 clients a second that send two packets each
	floodGap   = 25 * time.Microsecond
	collectFor = 700 * time.Microsecond
	measured   = 20 * time.Millisecond // long enough for a pause of some milliseconds, after which many packets wait, to make no difference
)

// pace is how fast packets come, found out every 20 ms or more.
type pace struct {
	dense   bool      // it pays to collect them
	began   time.Time // when the first read of the turns before the last write ended
	since   time.Time // packets are counted since
	packets int
}

// count counts the packets of a read that ended at a time. first: it is the first after a write.
func (p *pace) count(n int, at time.Time, first bool) {
	if first {
		p.began = at
	}
	p.packets += n
	if period, all := at.Sub(p.since), time.Duration(p.packets); period > measured {
		p.dense = all*floodGap < period && period < all*usualGap
		p.since, p.packets = at, 0
	}
}

// delay waits in the kernel. Go's timers are as exact as a millisecond, and wake another thread.
func delay(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(d.Nanoseconds())
		_ = unix.Nanosleep(&t, nil) // it was interrupted: less is collected
	}
}
