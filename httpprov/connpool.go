package httpprov

import (
	"container/list"
	"net/netip"
	"time"
)

// connPool is a share of the connections. Its methods need connLimiter.mu.
type connPool struct {
	max, conns  int
	waiting     list.List // of *connInfo, the one that has waited longest first
	addrs, nets ranking
}

func newConnPool(max int) *connPool {
	return &connPool{max: max, addrs: newRanking(32), nets: newRanking(24)}
}

// poolEntry is a connection's part in its pool.
type poolEntry struct {
	addr, net            *connGroup
	since                time.Time     // when it began to wait
	inAll, inAddr, inNet *list.Element // in the lists of waiting connections; nil: it does not wait
}

func (p *connPool) add(e *connInfo, now time.Time) {
	e.pool = p
	p.conns++
	e.addr, e.net = p.addrs.add(e.from.Addr()), p.nets.add(e.from.Addr())
	p.queue(e, now)
}

func (p *connPool) remove(e *connInfo) {
	e.unqueue()
	e.pool = nil
	p.conns--
	p.addrs.remove(e.addr)
	p.nets.remove(e.net)
}

// queue lists a connection as waiting.
func (p *connPool) queue(e *connInfo, now time.Time) {
	e.since = now
	e.inAll, e.inAddr, e.inNet = p.waiting.PushBack(e), e.addr.waiting.PushBack(e), e.net.waiting.PushBack(e)
}

// unqueue ends that.
func (e *connInfo) unqueue() {
	if e.inAll == nil {
		return
	}
	e.pool.waiting.Remove(e.inAll)
	e.addr.waiting.Remove(e.inAddr)
	e.net.waiting.Remove(e.inNet)
	e.inAll, e.inAddr, e.inNet = nil, nil, nil
}

// held returns how many connections of the pool an address has.
func (p *connPool) held(a netip.Addr) int { return p.addrs.held(a) }

// oldest returns the connection that has waited longest, nil when none waits.
func (p *connPool) oldest() *connInfo { return first(&p.waiting) }

// oldestOf is oldest among those of an address.
func (p *connPool) oldestOf(a netip.Addr) *connInfo {
	if g := p.addrs.groups[p.addrs.key(a)]; g != nil {
		return first(&g.waiting)
	}
	return nil
}

// heaviest returns the oldest waiting connection of the address that holds most, or else of the network, provided that a
// new connection of address a does not make it hold as many. It returns nil when there is none.
func (p *connPool) heaviest(a netip.Addr) *connInfo {
	for _, r := range []*ranking{&p.addrs, &p.nets} {
		if g := r.heaviest(); g != nil && g.conns > r.held(a)+1 {
			if e := first(&g.waiting); e != nil {
				return e
			}
		}
	}
	return nil
}

func first(l *list.List) *connInfo {
	if e := l.Front(); e != nil {
		return e.Value.(*connInfo)
	}
	return nil
}

// connGroup is the connections of one address or network.
type connGroup struct {
	key     netip.Prefix
	conns   int
	waiting list.List // of *connInfo, as in connPool
	place   *list.Element
}

// ranking groups connections by address or network and finds the largest group in constant time.
type ranking struct {
	bits    int // of the prefix that makes a group
	groups  map[netip.Prefix]*connGroup
	byConns map[int]*list.List // of *connGroup, by how many connections they have
	most    int                // of any group
}

func newRanking(bits int) ranking {
	return ranking{bits: bits, groups: map[netip.Prefix]*connGroup{}, byConns: map[int]*list.List{}}
}

func (r *ranking) key(a netip.Addr) netip.Prefix {
	p, _ := a.Prefix(r.bits) // fails only for the zero address: all of those are one group
	return p
}

func (r *ranking) held(a netip.Addr) int {
	if g := r.groups[r.key(a)]; g != nil {
		return g.conns
	}
	return 0
}

func (r *ranking) add(a netip.Addr) *connGroup {
	k := r.key(a)
	g := r.groups[k]
	if g == nil {
		g = &connGroup{key: k}
		r.groups[k] = g
	}
	r.move(g, g.conns+1)
	return g
}

func (r *ranking) remove(g *connGroup) {
	if r.move(g, g.conns-1); g.conns == 0 {
		delete(r.groups, g.key)
	}
}

// move changes how many connections a group has, by one.
func (r *ranking) move(g *connGroup, n int) {
	if g.place != nil {
		old := r.byConns[g.conns]
		if old.Remove(g.place); old.Len() == 0 {
			delete(r.byConns, g.conns)
		}
		g.place = nil
	}
	if g.conns = n; n > 0 {
		if r.byConns[n] == nil {
			r.byConns[n] = list.New()
		}
		g.place = r.byConns[n].PushBack(g)
	}
	if r.most = max(r.most, n); r.byConns[r.most] == nil {
		r.most-- // the only largest group has shrunk
	}
}

// heaviest returns the largest group, nil when there is none.
func (r *ranking) heaviest() *connGroup {
	if l := r.byConns[r.most]; l != nil {
		return l.Front().Value.(*connGroup)
	}
	return nil
}
