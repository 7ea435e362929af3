package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/store/etcd"
)

// checkTimeout is how long a start waits for etcd, to find out whether another member serves the same subnets.
const checkTimeout = 3 * time.Second

// others is what was noticed of the other members. The zero value is ready.
type others struct {
	mu        sync.Mutex
	away      map[string]time.Time // since when members are not alive
	conflicts []string             // subnets that this member and another one must not both serve
}

// look compares this member with the others.
func (m *Cluster) look() {
	members, _ := m.members.List()
	found := conflicts(m.members.Self(), members)
	o := &m.others
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range found {
		if !slices.Contains(o.conflicts, c) {
			m.cfg.Log.Error("this member and another one must not both serve a subnet: addresses may be leased twice", "conflict", c)
		}
	}
	if len(found) == 0 && len(o.conflicts) > 0 {
		m.cfg.Log.Info("no other member serves the same subnets alone, or with other pools")
	}
	o.conflicts = found
	away := map[string]time.Time{}
	for _, x := range members {
		if x.Alive || x.Name == m.cfg.Cluster.Name {
			continue
		}
		if away[x.Name] = o.away[x.Name]; away[x.Name].IsZero() {
			away[x.Name] = m.cfg.Now()
		}
	}
	o.away = away
}

// noticed returns what look found last.
func (o *others) noticed() (away map[string]time.Time, conflicts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away, o.conflicts
}

// SetSubnets replaces the subnets that this appliance serves, and registers them.
func (m *Cluster) SetSubnets(list []dhcp.Subnet) {
	if m == nil {
		return
	}
	m.subnets.Store(&list)
	m.members.SetSelf(m.self())
	m.look()
}

// NewConflicts returns why this appliance may not serve other subnets than now beside the other members.
func (m *Cluster) NewConflicts(list []dhcp.Subnet) (out []string) {
	if m == nil {
		return nil
	}
	members, _ := m.members.List()
	now := conflicts(m.members.Self(), members)
	for _, c := range conflicts(m.selfWith(list), members) {
		if !slices.Contains(now, c) {
			out = append(out, c)
		}
	}
	return out
}

// checkStart returns why this appliance may not serve its subnets beside the other members. When etcd does not answer it returns nil.
func (m *Cluster) checkStart() error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	members, err := etcd.ListMembers(ctx, m.client, m.cfg.Log)
	if err != nil {
		m.cfg.Log.Warn("etcd does not answer: it is not known whether another member serves the same subnets", "err", err)
		return nil
	}
	if list := conflicts(m.self(), members); len(list) > 0 {
		return errors.New(list[0])
	}
	return nil
}

// conflicts returns why self may not serve its subnets beside the other members.
func conflicts(self etcd.Member, members []etcd.Member) (out []string) {
	for _, o := range members {
		for _, theirs := range o.Subnets {
			for _, mine := range self.Subnets {
				if o.Name == self.Name || !mine.Prefix.Overlaps(theirs.Prefix) {
					continue
				}
				if why := conflictOf(mine, theirs, o); why != "" {
					out = append(out, fmt.Sprintf("subnet %s: member %s %s", mine.Prefix, o.Name, why))
				}
			}
		}
	}
	return out
}

func conflictOf(mine, theirs etcd.Subnet, o etcd.Member) string {
	const twice = ": both would lease the same addresses"
	switch {
	case mine.Prefix != theirs.Prefix:
		return "serves " + theirs.Prefix.String() + ", which overlaps it" + twice
	case !mine.Shared && !theirs.Shared:
		return "serves it, too" + twice + "; set shared: true on both members, or leave it out here, or remove that member with plugtone cluster leave there"
	case !mine.Shared:
		return "shares it: set shared: true here, too, which needs a restart"
	case !theirs.Shared:
		return "serves it without shared: true" + twice
	case o.Alive && !slices.Equal(mine.Pools, theirs.Pools):
		return fmt.Sprintf("runs with other pools, %s, not %s: all members need the same; to change them stop all but one, change and restart it, then the others",
			strings.Join(theirs.Pools, ", "), strings.Join(mine.Pools, ", "))
	}
	return ""
}
