package leasetable_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// unicastMark in Hops of a simulated request says that it was sent to one member.
const unicastMark = 9

// phone is a client of a simulated cluster, written from RFC 2131, 4.4. It counts its lease from the ACK, as many clients do: later than
// the RFC says.
type phone struct {
	c      *cluster
	n      int
	xid    uint32
	inbox  chan *dhcp.Reply
	addr   netip.Addr // its lease; guarded by mu of the cluster, like the others
	until  time.Time
	server netip.Addr
}

// run boots, renews, restarts and leaves at random, until ctx ends. Its lease stays.
func (p *phone) run(ctx context.Context) {
	p.sleep(ctx, 10*time.Second)
	for ctx.Err() == nil {
		if !p.live() {
			p.discover(ctx)
			p.sleep(ctx, 5*time.Second)
			continue
		}
		switch p.c.random(12) {
		case 0, 1:
			p.reboot(ctx)
		case 2:
			p.leave()
			p.discover(ctx)
		case 3:
			p.release()
			p.sleep(ctx, time.Minute)
		case 4:
			p.sleep(ctx, 4*simLease) // switched off, while its lease may end
		case 5, 6:
			p.extend(ctx, dhcptest.Broadcast)
		default:
			p.extend(ctx, p.server)
		}
		p.sleep(ctx, simLease/2)
	}
}

func (p *phone) sleep(ctx context.Context, most time.Duration) {
	t := time.NewTimer(p.c.upTo(most))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// live reports whether the phone uses its address.
func (p *phone) live() bool {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.addr.IsValid() && time.Now().Before(p.until)
}

// leave makes the phone forget its address.
func (p *phone) leave() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.addr = netip.Addr{}
}

// deliver takes a reply to the phone, unless it is lost on the way.
func (p *phone) deliver(r *dhcp.Reply) {
	if p.c.dropped() {
		return
	}
	time.AfterFunc(p.c.upTo(300*time.Millisecond), func() {
		select {
		case p.inbox <- r:
		default:
		}
	})
}

// dropped reports whether a packet is lost.
func (c *cluster) dropped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost > 0 && c.rand.IntN(c.lost) == 0
}

// send sends a request to all members, or to one.
func (p *phone) send(r *dhcp.Request, to netip.Addr) {
	if to != dhcptest.Broadcast {
		r.Hops = unicastMark
	}
	for _, m := range p.c.members {
		if to != dhcptest.Broadcast && m.id != to {
			continue
		}
		copies := 1
		if p.c.random(20) == 0 {
			copies = 2
		}
		for range copies {
			if !p.c.dropped() {
				time.AfterFunc(p.c.upTo(300*time.Millisecond), func() { m.receive(r) })
			}
		}
	}
}

// exchange sends a request up to tries times and returns the first reply, nil when there is none. Replies to earlier ones are ignored.
func (p *phone) exchange(ctx context.Context, t dhcp.MessageType, to netip.Addr, tries int, set func(*dhcp.Request)) *dhcp.Reply {
	p.xid++
	began := time.Now()
	for range tries {
		r := dhcptest.Message(p.n, t, set)
		binary.BigEndian.PutUint32(r.XID[:], p.xid)
		r.Secs = uint16(time.Since(began) / time.Second)
		p.send(r, to)
		for wait := time.After(4 * time.Second); ; {
			select {
			case got := <-p.inbox:
				if got.XID == r.XID {
					return got
				}
				continue
			case <-wait:
			case <-ctx.Done():
				return nil
			}
			break
		}
	}
	return nil
}

func (p *phone) discover(ctx context.Context) {
	p.leave()
	o := p.exchange(ctx, dhcp.MessageTypeDiscover, dhcptest.Broadcast, 4, func(*dhcp.Request) {})
	if o == nil || o.Type != dhcp.MessageTypeOffer {
		return
	}
	p.take(p.exchange(ctx, dhcp.MessageTypeRequest, dhcptest.Broadcast, 3, func(r *dhcp.Request) { r.Requested, r.ServerID = o.YIAddr, o.ServerID }))
}

// extend renews or rebinds. Without an answer the lease stays for its time.
func (p *phone) extend(ctx context.Context, to netip.Addr) {
	tries := 2
	if p.c.random(3) > 0 {
		tries = 100 // it goes on when its lease has ended
	}
	p.take(p.exchange(ctx, dhcp.MessageTypeRequest, to, tries, func(r *dhcp.Request) { r.CIAddr = p.addr }))
}

// reboot restarts with the address that the phone remembers.
func (p *phone) reboot(ctx context.Context) *dhcp.Reply {
	r := p.exchange(ctx, dhcp.MessageTypeRequest, dhcptest.Broadcast, 3, func(r *dhcp.Request) { r.Requested = p.addr })
	p.take(r)
	return r
}

// release gives the address back; from then on the phone does not use it.
func (p *phone) release() {
	p.c.mu.Lock()
	addr := p.addr
	p.addr = netip.Addr{}
	p.c.mu.Unlock()
	p.c.note("phone %d releases %s", p.n, addr)
	p.send(dhcptest.Message(p.n, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = addr }), p.server)
}

// take applies an ACK or NAK, and checks it with the ledger.
func (p *phone) take(r *dhcp.Reply) {
	if r == nil {
		return
	}
	now := time.Now()
	p.c.mu.Lock()
	addr, live := p.addr, p.addr.IsValid() && now.Before(p.until)
	p.addr = netip.Addr{}
	var other *phone
	if r.Type == dhcp.MessageTypeAck {
		p.c.acks++
		p.addr, p.until, p.server = r.YIAddr, now.Add(time.Duration(dhcptest.Seconds(dhcptest.OptionOf(r, 51)))*time.Second), r.ServerID
		for _, o := range p.c.phones {
			if o != p && o.addr == p.addr && now.Before(o.until) {
				other = o
			}
		}
	}
	p.c.mu.Unlock()
	if other != nil {
		p.c.fail("%s was acknowledged to phone %d, and phone %d uses it until %.3f", r.YIAddr, p.n, other.n, other.until.Sub(p.c.began).Seconds())
	}
	if r.Type == dhcp.MessageTypeNak && live && !p.c.withdrawn(addr) {
		p.c.fail("phone %d was refused its lease of %s", p.n, addr)
	}
}

// withdrawn reports whether two phones had leases of the address.
func (c *cluster) withdrawn(addr netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quarantined[addr.String()]
}

// verify checks that the phone still has its lease, when everything works.
func (p *phone) verify(ctx context.Context) {
	p.c.mu.Lock()
	addr, live := p.addr, p.addr.IsValid() && time.Now().Add(20*time.Second).Before(p.until)
	p.c.mu.Unlock()
	if !live {
		return
	}
	if r := p.reboot(ctx); (r == nil || r.Type != dhcp.MessageTypeAck || r.YIAddr != addr) && !p.c.withdrawn(addr) {
		p.c.fail("phone %d has lost its lease of %s: %+v", p.n, addr, r)
	}
}
