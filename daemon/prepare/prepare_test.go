package prepare

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

// fetches are n fetches of a phone's file, each a second after the one before.
type fetches []fleet.Fetch

func newFetches(n int) (out fetches) {
	for i := range n {
		out = append(out, fleet.Fetch{MAC: dhcp.MAC{0, 0x15, 0x65, 0, 0, byte(i)}, File: fmt.Sprintf("%d.cfg", i), Kind: "device", Size: 1000 - overhead,
			Time: time.Unix(int64(i), 0), From: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})})
	}
	return out
}

func (f fetches) FetchesAfter(key []byte, n int) (page []fleet.Fetch, next []byte, err error) {
	from := 0
	if key != nil {
		from = int(key[0])
	}
	to := min(from+min(n, 7), len(f))
	if to < len(f) {
		next = []byte{byte(to)}
	}
	return f[from:to], next, nil
}

// rendered records the requests.
type rendered struct{ all []provision.Request }

func (r *rendered) Answer(_ context.Context, q provision.Request) provision.Answer {
	r.all = append(r.all, q)
	return provision.Answer{Outcome: provision.Served}
}

func TestTheLastThatFetchedAreRenderedFirst(t *testing.T) {
	f := newFetches(30)
	f[28].Kind = "firmware" // nothing is rendered for it
	slices.Reverse(f[3:9])
	var r rendered
	n, err := Config{Fetches: f, Answerer: &r, LastPhone: func() time.Time { return time.Time{} }, Now: time.Now, Bytes: 5500}.Run(t.Context())
	if err != nil || n != 5 {
		t.Fatalf("%d files, %v; want the 5 that fit", n, err)
	}
	for i, want := range []int{29, 27, 26, 25, 24} {
		if q := r.all[i]; q.Name != fmt.Sprintf("%d.cfg", want) || q.As[5] != byte(want) || q.Transport != fleet.Preview || q.From.As4()[3] != byte(want) {
			t.Errorf("file %d is %+v, want that of phone %d", i, q, want)
		}
	}
}

// While phones are served it hardly uses the processor, and it stops with the daemon.
func TestPhonesComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var r rendered
		began := time.Now()
		busy := true
		c := Config{Fetches: newFetches(100), Answerer: &r, Now: time.Now, Bytes: 1 << 20, LastPhone: func() time.Time {
			if busy {
				return time.Now()
			}
			return began
		}}
		done := make(chan int)
		go func() {
			n, _ := c.Run(ctx)
			done <- n
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(r.all); n == 0 || n > 50 {
			t.Errorf("%d files in a second with phones, want 50 at most", n)
		}
		stop()
		if n := <-done; n != len(r.all) || n == 100 {
			t.Errorf("%d files after the stop", n)
		}
	})
}
