package leasetable_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/store/etcd/simulated"
	"plugtone/store/leases"
)

// lostFixture is a cluster of two members, of which the second alone has the lease of phone 2: the first did not run when it was bound.
type lostFixture struct {
	*cluster
	a, b   *clusterMember
	before simulated.Snapshot // of the store, without that lease
	addr   netip.Addr         // of phone 2
}

// lost runs a test in a bubble in which both members are stopped.
func lost(t *testing.T, ahead time.Duration, f func(*lostFixture)) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.lost, c.lease, c.members = 0, time.Hour, c.members[:2]
		x := &lostFixture{cluster: c, a: c.members[0], b: c.members[1]}
		x.b.step(ahead)
		x.a.start()
		x.b.start()
		time.Sleep(20 * time.Second)
		c.phones[0].discover(t.Context())
		time.Sleep(5 * time.Second)
		x.a.kill()
		x.before = c.store.Snapshot()
		c.phones[1].discover(t.Context())
		x.addr = c.phones[1].addr
		time.Sleep(70 * time.Second) // the revision of the store is on its disk
		x.b.kill()
		if !c.phones[0].live() || !c.phones[1].live() {
			t.Fatal("the phones have no leases")
		}
		f(x)
		for _, m := range c.members {
			m.kill()
		}
		synctest.Wait()
	})
}

// boot returns the address that a phone gets.
func (x *lostFixture) boot(n int) netip.Addr {
	x.phones[n-1].discover(x.t.Context())
	return x.phones[n-1].addr
}

// at returns the record of phone 2's address in the store.
func (x *lostFixture) at() dhcp.Lease {
	records, _, err := x.store.List(x.t.Context(), "leases/10.20.0.0/24/"+x.addr.String())
	if err != nil || len(records) != 1 {
		return dhcp.Lease{}
	}
	l, err := leases.ReadLease(records[0].Value)
	if err != nil {
		x.t.Fatal(err)
	}
	return l
}

// keep checks that phones 1 and 2 still have their leases, and that the address of phone 2 ends on a member when it ends for the phone.
func (x *lostFixture) keep(m *clusterMember) {
	x.t.Helper()
	l, ok := m.life.Load().table.LeaseAt(x.addr)
	if left := l.Expires.Sub(m.wall()); !ok || l.MAC != dhcptest.ClientMAC(2) || (left-time.Until(x.phones[1].until)).Abs() > 30*time.Second {
		x.t.Errorf("member %d: lease %+v, %s left, want %s", m.n, l, left, time.Until(x.phones[1].until))
	}
	for _, p := range x.phones[:2] {
		p.verify(x.t.Context())
	}
}

// A member that starts with the leases of another store brings them before a new client gets an address, whatever the wall clocks show.
func TestLeasesOfOneMemberOutliveTheStoreC61(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour} {
		for name, lose := range map[string]func(*lostFixture){
			"lost":     func(x *lostFixture) { x.store.Lose() },
			"set back": func(x *lostFixture) { x.store.SetBack(x.before) },
		} {
			lost(t, ahead, func(x *lostFixture) {
				lose(x)
				first, second := x.a, x.b
				if name == "set back" {
					first, second = x.b, x.a // the one that notices
				}
				first.start()
				time.Sleep(10 * time.Second)
				if a := x.boot(3); name == "lost" && a.IsValid() {
					x.t.Errorf("%s: a new phone gets %s before the other member has brought its leases", name, a)
				}
				second.start()
				time.Sleep(70 * time.Second)
				x.keep(x.a)
				x.keep(x.b)
				if a := x.boot(3); !a.IsValid() || a == x.addr {
					x.t.Errorf("%s, %s ahead: a new phone gets %s", name, ahead, a)
				}
				if x.a.origin.ID == "" || x.a.origin.ID != x.b.origin.ID {
					x.t.Errorf("%s: origins %+v and %+v", name, x.a.origin, x.b.origin)
				}
			})
		}
	}
}

// An address that was given to another client before the second member came is given to none until both leases have ended.
func TestAddressOfTwoClientsRestsC61(t *testing.T) {
	lost(t, 0, func(x *lostFixture) {
		x.store.Lose()
		x.a.start()
		time.Sleep(70 * time.Second)
		off := *x.phones[1]
		x.phones[1].leave() // phone 2 is off
		third := x.phones[2]
		third.addr = x.addr
		if r := third.reboot(x.t.Context()); r == nil || r.Type != dhcp.MessageTypeAck {
			x.t.Fatalf("phone 3: %+v", r)
		}
		x.b.start()
		time.Sleep(10 * time.Second)
		if l := x.at(); l.State != dhcp.LeaseDeclined || l.Expires.Before(third.until.Add(-time.Minute)) {
			x.t.Errorf("the store has %+v", l)
		}
		for _, p := range []*phone{third, &off} {
			for _, m := range x.members {
				addr := p.addr
				if r := p.exchange(x.t.Context(), dhcp.MessageTypeRequest, m.id, 1, func(r *dhcp.Request) { r.CIAddr = addr }); r != nil && r.Type == dhcp.MessageTypeAck {
					x.t.Errorf("phone %d still gets %s", p.n, r.YIAddr)
				}
			}
			p.leave()
		}
		fourth := x.phones[3]
		fourth.addr = x.addr
		if r := fourth.reboot(x.t.Context()); r == nil || r.Type == dhcp.MessageTypeAck {
			x.t.Errorf("phone 4 gets the address: %+v", r)
		}
		time.Sleep(time.Hour + 5*time.Minute)
		fourth.addr = x.addr
		if r := fourth.reboot(x.t.Context()); r == nil || r.Type != dhcp.MessageTypeAck {
			x.t.Errorf("phone 4 does not get the address after both leases: %+v", r)
		}
	})
}

// Members that run when the store loses its data bring their leases without a restart, whichever begins, and renew them.
func TestRunningMembersBringTheirLeasesC61(t *testing.T) {
	for first := range 2 {
		lost(t, time.Hour, func(x *lostFixture) {
			x.a.start()
			x.b.start()
			time.Sleep(20 * time.Second)
			x.members[1-first].client.Cut(true)
			x.store.Lose()
			time.Sleep(15 * time.Second)
			x.members[1-first].client.Cut(false)
			if a := x.boot(3); a.IsValid() {
				x.t.Errorf("a new phone gets %s at once", a)
			}
			time.Sleep(60 * time.Second)
			x.keep(x.a)
			x.keep(x.b)
			if a := x.boot(3); !a.IsValid() || a == x.addr {
				x.t.Errorf("a new phone gets %s", a)
			}
			time.Sleep(20 * time.Minute)
			for _, m := range x.members {
				if x.phones[1].extend(x.t.Context(), m.id); time.Until(x.phones[1].until) < x.lease-time.Minute {
					x.t.Errorf("member %d renews until %s", m.n, time.Until(x.phones[1].until))
				}
				time.Sleep(5 * time.Minute)
			}
		})
	}
}

// A new cluster does not make its phones wait.
func TestNewClusterBindsAtOnceC61(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		m := c.members[0]
		m.start()
		time.Sleep(5 * time.Second)
		if err := m.life.Load().leases.Unusable(); err != nil {
			t.Error(err)
		}
		m.kill()
		synctest.Wait()
	})
}
