package leases

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"

	"plugtone/dhcp"
	"plugtone/store/wal"
)

// disk is what is in the files at one moment.
type disk map[string][]byte

func (h *fixture) disk() disk {
	h.t.Helper()
	d := disk{}
	for _, name := range []string{LogName, FileName} {
		b, err := os.ReadFile(h.path(name))
		must(h.t, err)
		d[name] = b
	}
	return d
}

// torn is the disk when the power went in the middle of the write from d to after: one sector was written, others were not.
// false when all of the write was one sector, which is written or not.
func (d disk) torn(after disk, last bool) (disk, bool) {
	const sector = 512
	old, now := d[LogName], after[LogName]
	var changed []int
	for at := 0; at < len(now); at += sector {
		if !bytes.Equal(old[at:at+sector], now[at:at+sector]) {
			changed = append(changed, at)
		}
	}
	if len(changed) < 2 {
		return nil, false
	}
	at := changed[0]
	if last {
		at = changed[len(changed)-1]
	}
	mixed := bytes.Clone(old)
	copy(mixed[at:at+sector], now[at:at+sector])
	t := maps.Clone(d)
	t[LogName] = mixed
	return t, true
}

// holds starts a store on the files as they are and compares its leases.
func (d disk) holds(t *testing.T, when string, want map[netip.Addr]dhcp.Lease) {
	t.Helper()
	at := newFixture(t)
	for name, b := range d {
		must(t, os.WriteFile(at.path(name), b, 0o600))
	}
	s, damage := at.open()
	if got := leasesOf(t, s); !maps.Equal(got, want) {
		t.Fatalf("%s: %d leases, want %d, or one is another", when, len(got), len(want))
	}
	if len(damage) != 0 {
		t.Fatalf("%s: %q", when, damage)
	}
	at.close()
}

// TestCrashAtEveryStepOfACommit starts on the files as a crash leaves them: before a write, in the middle of it, after it, before
// leases.db has taken a full segment of the log, and when it has. What was acknowledged is there each time, and nothing
// that was overtaken comes back.
func TestCrashAtEveryStepOfACommit(t *testing.T) {
	h := newFixture(t)
	s, _ := h.open()
	r := rand.New(rand.NewPCG(3, 14))
	want := map[netip.Addr]dhcp.Lease{}
	write := func(n int) {
		var changes []dhcp.Change
		for range 1 + n%12 {
			l := lease(r.IntN(200))
			l.RemoteID += string(rune('a' + r.IntN(26)))
			changes = append(changes, dhcp.Change{Lease: l, Delete: r.IntN(4) == 0})
		}
		must(t, s.WriteLeases(changes))
		for _, c := range changes {
			if c.Delete {
				delete(want, c.Lease.Addr)
			} else {
				want[c.Lease.Addr] = c.Lease
			}
		}
	}
	tears := 0
	for n := range 610 {
		if n%61 != 0 {
			write(n)
			continue
		}
		s.checkpoints.Wait()
		before, wanted := h.disk(), maps.Clone(want)
		before.holds(t, "before a write", wanted)
		write(n)
		after := h.disk()
		after.holds(t, "after a write", want)
		for _, last := range []bool{false, true} {
			if torn, ok := before.torn(after, last); ok {
				tears++
				torn.holds(t, "in the middle of a write", wanted)
			}
		}
	}
	if tears < 4 {
		t.Errorf("only %d writes were torn", tears)
	}
	// A segment that is full, leases.db before and after it takes it.
	old := h.disk()[FileName]
	must(t, s.Checkpoint())
	d := h.disk()
	if bytes.Equal(old, d[FileName]) {
		t.Error("leases.db had nothing to take")
	}
	d.holds(t, "when leases.db has taken everything", want)
	d[FileName] = old
	d.holds(t, "before leases.db has taken anything of it", want)
}

// TestASegmentThatWasRotatedLateIsCheckpointedToo: leases.db was behind once and the writer had to wait for it; from then
// on the other segment of the log is checkpointed again.
func TestASegmentThatWasRotatedLateIsCheckpointedToo(t *testing.T) {
	h := newFixture(t)
	s, _ := h.open()
	var err error
	n := 0
	next := func() []dhcp.Change { n++; return []dhcp.Change{{Lease: lease(n)}} }
	for err == nil { // as if leases.db took nothing meanwhile
		_, err = s.log.Append(appendChanges(nil, next()))
	}
	if !errors.Is(err, wal.ErrFull) {
		t.Fatal(err)
	}
	n--
	must(t, s.WriteLeases(next()))
	s.checkpoints.Wait()
	left, err := s.log.Pending()
	if err != nil || len(left) != 1 {
		t.Errorf("%d batches are in the log, the last of them must be; %v", len(left), err)
	}
	s, _ = h.open()
	if got := leasesOf(t, s); len(got) != n {
		t.Errorf("%d leases of %d", len(got), n)
	}
}
