// Package merging collects what each member of a cluster has of its own: timelines, discovered phones, its state. A single appliance has no
// other members, and nothing is collected.
package merging

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// answerTime is how long another member may take.
const answerTime = time.Second

// Members are the members of a cluster. Nil: a single appliance.
type Members interface {
	Self() string    // name of this member
	Others() []Other // the others that are registered, by name
}

// Other is another member.
type Other struct {
	Name    string
	API     *client.Client // its API, of that member alone; nil: it can't be called
	Problem string         // why not
}

// Choice is the parameter of the operations that are merged.
type Choice struct {
	Member string `query:"member" enum:"local" doc:"local: only what this member of a cluster has itself" example:"local"`
}

// Local is the choice of this member alone.
const Local = "local"

// Self returns the name of this member, "" on a single appliance.
func Self(m Members) string {
	if m == nil {
		return ""
	}
	return m.Self()
}

// answer is what one member answered.
type answer[T any] struct {
	member string
	value  T
	err    error
}

// collect calls all other members at the same time. It returns what they answered, in the order of their names, and those that did not.
func collect[T any](ctx context.Context, m Members, in Choice, call func(context.Context, *client.Client) (T, error)) (list []answer[T], silent []client.Unanswered) {
	if m == nil || in.Member != "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	others := m.Others()
	all := make([]answer[T], len(others))
	var calls sync.WaitGroup
	for i, o := range others {
		all[i] = answer[T]{member: o.Name, err: errors.New(o.Problem)}
		if o.API != nil {
			calls.Go(func() { all[i].value, all[i].err = call(ctx, o.API) })
		}
	}
	calls.Wait()
	for _, a := range all {
		if a.err == nil {
			list = append(list, a)
			continue
		}
		silent = append(silent, client.Unanswered{Member: a.member, Problem: problemOf(a.err)})
	}
	return list, silent
}

// problemOf returns why a member did not answer.
func problemOf(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not answer within " + answerTime.String()
	}
	if u, ok := errors.AsType[*client.Unreachable](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// diagnosed is how many of the newest entries of another member a diagnosis has at least.
const diagnosed = 300

// Timeline adds to t, which this member has, what the others have: the newest limit entries of all, in order of time. It returns the entries of
// the others that a diagnosis needs, without what the phone has logged itself.
func Timeline(ctx context.Context, m Members, in Choice, t *client.Timeline, limit int) (others []timeline.Entry) {
	parts, silent := collect(ctx, m, in, func(ctx context.Context, c *client.Client) (client.Timeline, error) {
		return c.Timeline(ctx, t.MAC.String(), max(limit, diagnosed))
	})
	if m == nil {
		return nil
	}
	t.Unanswered = silent
	mark(t.Items, m.Self())
	for _, p := range parts {
		mark(p.value.Items, p.member)
		t.Items = append(t.Items, p.value.Items...)
		others = append(others, p.value.Items...)
	}
	slices.SortStableFunc(t.Items, func(a, b timeline.Entry) int { return a.Time.Compare(b.Time) })
	t.Items = trim(t.Items, limit)
	return slices.DeleteFunc(others, func(e timeline.Entry) bool { return e.Source == timeline.Syslog })
}

// Bounds of Follow.
const (
	followEvery   = time.Second
	followEntries = 100 // of a member in that time
)

// Follow returns what the other members add to the timeline of a phone after the call, until ctx ends. It is nil on a single appliance, and
// without a phone.
func Follow(ctx context.Context, m Members, mac dhcp.MAC) <-chan timeline.Entry {
	if m == nil || mac.IsZero() {
		return nil
	}
	out := make(chan timeline.Entry)
	seen := map[string]map[string]bool{} // entries of the last answer of a member, by its name
	news := func() (list []timeline.Entry) {
		parts, _ := collect(ctx, m, Choice{}, func(ctx context.Context, c *client.Client) (client.Timeline, error) {
			return c.Timeline(ctx, mac.String(), followEntries)
		})
		for _, p := range parts {
			before, now := seen[p.member], map[string]bool{}
			mark(p.value.Items, p.member)
			for _, e := range p.value.Items {
				b, err := json.Marshal(e)
				if err != nil {
					continue // every entry has a JSON form: it was read from one
				}
				if now[string(b)] = true; before != nil && !before[string(b)] {
					list = append(list, e)
				}
			}
			seen[p.member] = now
		}
		return list
	}
	news()
	go func() {
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, e := range news() {
				select {
				case <-ctx.Done():
					return
				case out <- e:
				}
			}
		}
	}()
	return out
}

// Forget removes a phone from the discovered lists of the others. was reports whether one of them had it. One that does not answer keeps it.
func Forget(ctx context.Context, m Members, in Choice, mac dhcp.MAC) (was bool, err error) {
	parts, _ := collect(ctx, m, in, func(ctx context.Context, c *client.Client) (error, error) {
		err := c.Forget(ctx, mac.String())
		if err != nil && !client.IsNotFound(err) {
			err = fmt.Errorf("a member of the cluster keeps phone %s on its list: %w", mac, err)
		}
		return err, nil
	})
	for _, p := range parts {
		if p.value == nil {
			was = true
		} else if !client.IsNotFound(p.value) {
			err = p.value
		}
	}
	return was, err
}

// trim keeps the newest limit entries, and the newest limit lines that the phone has logged, of a list in order of time.
func trim(list []timeline.Entry, limit int) []timeline.Entry {
	count := map[bool]int{}
	out := slices.Clone(list)
	slices.Reverse(out)
	out = slices.DeleteFunc(out, func(e timeline.Entry) bool {
		count[e.Source == timeline.Syslog]++
		return count[e.Source == timeline.Syslog] > limit
	})
	slices.Reverse(out)
	return out
}

func mark(list []timeline.Entry, member string) {
	for i := range list {
		list[i].Member = member
	}
}

// Discovered adds to the phones that this member has discovered those of the others, in the order of their MACs. A phone that several members
// have seen is that of the last one.
func Discovered(ctx context.Context, m Members, in Choice, own []fleet.Discovered) ([]fleet.Discovered, []client.Unanswered) {
	parts, silent := collect(ctx, m, in, func(ctx context.Context, c *client.Client) ([]fleet.Discovered, error) {
		list, _, err := c.Discovered(ctx, "")
		return list, err
	})
	if m == nil {
		return own, nil
	}
	phones := map[dhcp.MAC]fleet.Discovered{}
	add := func(member string, list []fleet.Discovered) {
		for _, d := range list {
			d.Member = member
			if was, ok := phones[d.MAC]; ok {
				first := d.FirstSeen
				if was.FirstSeen.Before(first) {
					first = was.FirstSeen
				}
				if !d.LastSeen.After(was.LastSeen) {
					d = was
				}
				d.FirstSeen = first
			}
			phones[d.MAC] = d
		}
	}
	add(m.Self(), own)
	for _, p := range parts {
		add(p.member, p.value)
	}
	out := make([]fleet.Discovered, 0, len(phones))
	for _, d := range phones {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b fleet.Discovered) int { return cmp.Compare(a.MAC.String(), b.MAC.String()) })
	return out, silent
}

// Status adds the states of the other members to s.
func Status(ctx context.Context, m Members, in Choice, s *client.DaemonStatus) {
	if s.Member = Self(m); m == nil {
		return
	}
	parts, silent := collect(ctx, m, in, func(ctx context.Context, c *client.Client) (client.DaemonStatus, error) { return c.Status(ctx) })
	for _, p := range parts {
		o := p.value
		s.Members = append(s.Members, client.MemberStatus{Member: p.member, Version: o.Version, StartedAt: o.StartedAt, Revision: o.Revision, Ready: o.Ready, Faults: o.Faults, Warnings: o.Warnings})
	}
	for _, u := range silent {
		s.Members = append(s.Members, client.MemberStatus{Member: u.Member, Problem: u.Problem})
	}
	slices.SortFunc(s.Members, func(a, b client.MemberStatus) int { return cmp.Compare(a.Member, b.Member) })
}
