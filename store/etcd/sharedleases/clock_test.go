package sharedleases

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// oneClock is a Store that has the clock alone.
type oneClock struct {
	revision int64
	value    []byte
	cut      bool
}

func (s *oneClock) Txn(_ context.Context, t Txn) (TxnResult, error) {
	if s.cut {
		return TxnResult{}, context.DeadlineExceeded
	}
	if t.If[0].Revision != s.revision {
		return TxnResult{Revision: s.revision, Read: s.records()}, nil
	}
	s.revision++
	s.value = t.Then[0].Value
	return TxnResult{Done: true, Revision: s.revision}, nil
}

func (s *oneClock) records() []Record {
	if s.revision == 0 {
		return nil
	}
	return []Record{{Key: clockKey, Value: s.value, Revision: s.revision}}
}

func (s *oneClock) List(context.Context, string) ([]Record, int64, error) {
	if s.cut {
		return nil, 0, context.DeadlineExceeded
	}
	return s.records(), s.revision, nil
}

func (s *oneClock) Watch(context.Context, string, int64, func([]Record)) error { return nil }

func startClock(s Store) *clock {
	began := time.Now()
	return newClock(s, func() time.Duration { return time.Since(began) })
}

func (c *clock) mustUpdate(t *testing.T) {
	t.Helper()
	if exists, err := c.update(t.Context()); err != nil || !exists {
		t.Fatal(exists, err)
	}
}

// A member that starts does not take the time that it finds for the present one: another that was cut off may be hours ahead.
func TestClockIsNotKnownBeforeItAdvances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &oneClock{}
		start := time.Unix(1e9, 0).UTC()
		a := startClock(s)
		if _, err := a.create(t.Context(), reading{Time: start.UnixMilli(), ID: "x"}); err != nil {
			t.Fatal(err)
		}
		a.mustUpdate(t)
		if a.fresh() || !a.now().IsZero() {
			t.Fatal("known by its first reading")
		}
		a.mustUpdate(t)
		if !a.fresh() || !a.now().Equal(start) {
			t.Fatalf("fresh %v, at %s", a.fresh(), a.now())
		}
		time.Sleep(time.Hour) // no member advances it
		if a.fresh() {
			t.Error("fresh without a reading for an hour")
		}
		b := startClock(s)
		b.mustUpdate(t)
		if b.fresh() || !b.now().IsZero() {
			t.Error("the other member takes the old time for the present one")
		}
		a.mustUpdate(t) // a catches up
		b.mustUpdate(t)
		if want := start.Add(time.Hour); !b.fresh() || b.now().Before(want) || b.now().After(want.Add(time.Second)) {
			t.Errorf("fresh %v, at %s", b.fresh(), b.now())
		}
	})
}

// A member that was cut off is never behind the others, whatever they do meanwhile.
func TestClockThatIsCutOffIsNotBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &oneClock{}
		a, b := startClock(s), startClock(s)
		_, _ = a.create(t.Context(), reading{Time: 1e12, ID: "x"})
		for range 3 {
			a.mustUpdate(t)
			b.mustUpdate(t)
		}
		for range 1000 {
			time.Sleep(clockEvery)
			b.mustUpdate(t)
			if a.now().Before(b.now()) {
				t.Fatalf("%s is before %s", a.now(), b.now())
			}
		}
		if ahead := a.now().Sub(b.now()); ahead > 5*time.Second {
			t.Errorf("%s ahead after 2,000 seconds", ahead)
		}
		s.cut = true
		if _, err := b.update(t.Context()); err == nil {
			t.Error("no error")
		}
		time.Sleep(clockFresh + time.Second)
		if b.fresh() {
			t.Error("fresh without etcd")
		}
	})
}

// slowClock holds up the answers to readings.
type slowClock struct {
	*oneClock
	first chan struct{} // closed when the first answer may arrive; nil: at once
}

func (s *slowClock) List(ctx context.Context, prefix string) ([]Record, int64, error) {
	r, revision, err := s.oneClock.List(ctx, prefix)
	if first := s.first; first != nil {
		s.first = nil
		<-first
	}
	return r, revision, err
}

// An answer that is overtaken by a later one does not look like a store that went back.
func TestReadingsOfTheClockDoNotOvertakeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowClock{oneClock: &oneClock{}}
		c := startClock(s)
		_, _ = c.create(t.Context(), reading{Time: 1e12, ID: "x"})
		c.mustUpdate(t)
		c.mustUpdate(t)
		hold := make(chan struct{})
		s.first = hold
		for range 2 {
			go func() { _, _ = c.update(t.Context()) }()
			synctest.Wait()
			s.revision++ // by another member
		}
		close(hold)
		synctest.Wait()
		c.mustUpdate(t)
		if !c.fresh() {
			t.Error("not fresh")
		}
	})
}

// A store that has lost its data, or went back to an older copy, binds nothing.
func TestClockThatIsGoneIsNotFresh(t *testing.T) {
	for name, lose := range map[string]func(*oneClock){"lost": func(s *oneClock) { s.revision = 0 }, "older": func(s *oneClock) { s.revision = 1 }} {
		s := &oneClock{}
		c := startClock(s)
		_, _ = c.create(t.Context(), reading{Time: 1e12, ID: "x"})
		for range 4 {
			c.mustUpdate(t)
		}
		c.mu.Lock()
		c.received -= advanceAfter // as if it were due
		c.mu.Unlock()
		c.mustUpdate(t)
		lose(s)
		if _, err := c.update(t.Context()); err != errClockGone || c.fresh() {
			t.Errorf("%s: %v, fresh %v", name, err, c.fresh())
		}
	}
}

// A store that went back stays lost to the clock until all was read again, also when it has come further meanwhile than it had been.
func TestClockThatWentBackStaysLost(t *testing.T) {
	s := &oneClock{}
	c := startClock(s)
	_, _ = c.create(t.Context(), reading{Time: 1e12, ID: "x"})
	for range 3 {
		c.mustUpdate(t)
	}
	was := s.revision
	s.revision = 0
	if _, err := c.update(t.Context()); err != errClockGone {
		t.Fatal(err)
	}
	s.revision = was + 5
	for range 3 {
		if _, err := c.update(t.Context()); err != errClockGone || !c.lost() || c.fresh() {
			t.Errorf("%v, lost %v, fresh %v", err, c.lost(), c.fresh())
		}
	}
	if err := c.forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mustUpdate(t)
	if c.lost() {
		t.Error("lost after it was read again")
	}
}
