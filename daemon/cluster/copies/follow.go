package copies

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"plugtone/provision/fleet"
)

// Run copies from the other members until ctx ends.
func (x *Copies) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	type pair struct {
		uploads *follower[listed]
		fetches *follower[fleet.Fetch]
	}
	followers := map[string]pair{}
	running := map[string]context.CancelFunc{}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		sources := x.cfg.Sources()
		for name, stop := range running {
			if sources[name] == nil {
				stop()
				delete(running, name)
			}
		}
		for name, route := range sources {
			if running[name] != nil {
				continue
			}
			p, ok := followers[name]
			if !ok {
				p = pair{newFollower(x, x.uploads, name), newFollower(x, x.fetches, name)}
				followers[name] = p
			}
			one, stop := context.WithCancel(ctx)
			running[name] = stop
			tasks.Go(func() { p.uploads.run(one, route) })
			tasks.Go(func() { p.fetches.run(one, route) })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// follower copies the items of one other member. It is kept while the member is away.
type follower[T any] struct {
	*subject[T]
	x        *Copies
	member   string
	turn     chan struct{} // holds a token while it runs: the run before may still end
	position recent[T]     // from where on recent items are read; zero: compare
	compared time.Time     // when all items were compared
	missed   []T           // items that failed; they are tried again
	failure  error         // of one of them
	retried  time.Time
	logged   bool // that items are not copied
}

func newFollower[T any](x *Copies, s *subject[T], member string) *follower[T] {
	return &follower[T]{subject: s, x: x, member: member, turn: make(chan struct{}, 1)}
}

func (f *follower[T]) run(ctx context.Context, route http.RoundTripper) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return
	}
	f.waiting(len(f.missed))
	defer f.forget()
	for pause := pauseLeast; ctx.Err() == nil; {
		rest := roundLeast
		if err := f.round(ctx, source{f.member, route}); err == nil {
			pause = pauseLeast
		} else if ctx.Err() == nil {
			f.note(err)
			rest, pause = pause, min(2*pause, pauseMost)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

// round copies what is new once, or what is missing.
func (f *follower[T]) round(ctx context.Context, from source) error {
	now := f.x.cfg.Now()
	if f.position.Run == "" || now.Sub(f.compared) >= compareEvery {
		if err := f.compare(ctx, from); err != nil {
			f.position = recent[T]{}
			return err
		}
		f.compared = now
	}
	if err := f.retry(ctx, from); err != nil {
		return err
	}
	news, err := readRecent[T](ctx, from, f.name, f.position.Run, f.position.Next)
	switch {
	case err != nil:
		return err
	case news.Lost || news.Run != f.position.Run:
		if f.position = (recent[T]{}); now.Sub(f.compared) < pauseMost {
			return errors.New("its list of recent items was lost, and is compared again")
		}
		return nil
	}
	if err := f.copyAll(ctx, from, news.Items); err != nil {
		return err
	}
	f.position.Next = news.Next
	f.note(nil)
	return nil
}

// compare copies all items of which this member has none or an earlier one.
func (f *follower[T]) compare(ctx context.Context, from source) error {
	position, err := readRecent[T](ctx, from, f.name, "", 0)
	if err != nil {
		return err
	}
	if position.Run == "" {
		return errAnswer
	}
	f.missed = nil // they are on the list
	for next := (page[T]{}); ; {
		if next, err = readAll[T](ctx, from, f.name, next.After); err != nil {
			return err
		}
		if err := f.copyAll(ctx, from, next.Items); err != nil {
			return err
		}
		if next.After == "" {
			break
		}
	}
	f.position = recent[T]{Run: position.Run, Next: position.Next}
	f.retried = f.x.cfg.Now()
	f.note(nil)
	return nil
}

// retry tries again what failed, from time to time.
func (f *follower[T]) retry(ctx context.Context, from source) error {
	now := f.x.cfg.Now()
	if len(f.missed) == 0 || now.Sub(f.retried) < pauseMost {
		return nil
	}
	f.retried = now
	again := f.missed
	f.missed = nil
	err := f.copyAll(ctx, from, again)
	if err != nil {
		f.missed = again
	}
	return err
}

// copyAll copies those items that this member lacks. What fails is tried again later; only the failure of the member itself, or of this
// member's disk, is returned.
func (f *follower[T]) copyAll(ctx context.Context, from source, list []T) error {
	for i, l := range list {
		f.waiting(len(list) - i + len(f.missed))
		err := f.copy(ctx, from, l)
		switch {
		case err == nil:
		case !errors.Is(err, errUnrecorded) && !errors.Is(err, errOfFile) && !errors.Is(err, errBusy):
			return err
		case len(f.missed) < pageItems:
			f.missed = append(f.missed, l)
			f.failure = fmt.Errorf("%s: %w", f.text(l), err)
		}
	}
	f.waiting(len(f.missed))
	return nil
}

// note notes how far this is: err, or what failed of single items, is why items wait.
func (f *follower[T]) note(err error) {
	if err == nil && len(f.missed) > 0 {
		err = f.failure
	}
	x := f.x
	x.mu.Lock()
	s := x.states[f.key()]
	if err == nil {
		*s = State{Done: x.cfg.Now()}
	} else if s.Problem = err.Error(); s.Since.IsZero() {
		s.Since = x.cfg.Now()
	}
	lasts := err != nil && x.cfg.Now().Sub(s.Since) >= logAfter
	x.mu.Unlock()
	switch {
	case lasts && !f.logged:
		x.cfg.Log.Warn("what another member received from phones is not copied", "member", f.member, "what", f.name, "err", err)
	case err == nil && f.logged:
		x.cfg.Log.Info("what another member received from phones is copied again", "member", f.member, "what", f.name)
	}
	f.logged = lasts
}

func (f *follower[T]) key() [2]string { return [2]string{f.name, f.member} }

// waiting notes how many items are not copied yet.
func (f *follower[T]) waiting(n int) {
	x := f.x
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.states[f.key()] == nil {
		x.states[f.key()] = &State{}
	}
	x.states[f.key()].Waiting = n
}

// forget removes the state while nothing is copied from the member.
func (f *follower[T]) forget() {
	f.x.mu.Lock()
	defer f.x.mu.Unlock()
	delete(f.x.states, f.key())
}
