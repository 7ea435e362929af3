// Package merging collects what each member of a cluster has of its own: timelines, discovered phones, its state. A single appliance has no
// other members, and nothing is collected.
package merging

import (
	"cmp"
	"context"
	"errors"
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

// Timeline adds to t, which this member has, what the others have: the newest limit entries of all, in order of time. The diagnosis is that of
// the member with the newest entry that the phone has not logged itself.
func Timeline(ctx context.Context, m Members, in Choice, t *client.Timeline, limit int) {
	parts, silent := collect(ctx, m, in, func(ctx context.Context, c *client.Client) (client.Timeline, error) {
		return c.Timeline(ctx, t.MAC.String(), limit)
	})
	if m == nil {
		return
	}
	t.Unanswered = silent
	mark(t.Items, m.Self())
	newest := last(t.Items)
	for _, p := range parts {
		mark(p.value.Items, p.member)
		if at := last(p.value.Items); at.After(newest) {
			newest, t.Diagnosis = at, p.value.Diagnosis
		}
		t.Items = append(t.Items, p.value.Items...)
	}
	slices.SortStableFunc(t.Items, func(a, b timeline.Entry) int { return a.Time.Compare(b.Time) })
	t.Items = trim(t.Items, limit)
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

// last returns when the newest entry was made that the phone has not logged itself.
func last(list []timeline.Entry) (at time.Time) {
	for _, e := range list {
		if e.Source != timeline.Syslog && e.Time.After(at) {
			at = e.Time
		}
	}
	return at
}

// Discovered adds to the phones that this member has discovered those of the others, in the order of their MACs. A phone that several members
// have seen is that of the last one.
func Discovered(ctx context.Context, m Members, in Choice, own []fleet.Discovered) ([]fleet.Discovered, []client.Unanswered) {
	parts, silent := collect(ctx, m, in, func(ctx context.Context, c *client.Client) ([]fleet.Discovered, error) { return c.Discovered(ctx, nil) })
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
