package leasetable_test

import (
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// An address that a client gave back waits while another member, which is alive, reads its leases for long and has not received that.
func TestAddressWaitsForAMemberThatReadsC60(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.lost, c.lease, c.members = 0, time.Hour, c.members[:2]
		a, b := c.members[0], c.members[1]
		for _, m := range c.members {
			m.start()
			m.observe()
		}
		time.Sleep(20 * time.Second)
		first, second := c.phones[0], c.phones[1]
		first.discover(t.Context())
		addr := first.addr
		if !addr.IsValid() {
			t.Fatal("the first phone has no address")
		}
		time.Sleep(10 * time.Second)
		id := b.life.Load().leases.ID()
		b.client.SlowList(25 * time.Second)
		b.client.Cut(true)
		b.client.Cut(false) // its watch ends: it reads all leases again
		time.Sleep(2 * time.Second)
		first.server = a.id
		first.release()
		time.Sleep(14 * time.Second)
		boot := func() dhcp.MessageType {
			second.addr = addr
			r := second.exchange(t.Context(), dhcp.MessageTypeRequest, dhcptest.Broadcast, 1, func(r *dhcp.Request) { r.Requested, r.ServerID = addr, a.id })
			if r == nil {
				return 0
			}
			return r.Type
		}
		if got := boot(); got == dhcp.MessageTypeAck {
			t.Error("the address was given to another client before the member had received that it is free")
		}
		b.client.SlowList(0)
		time.Sleep(30 * time.Second)
		if got := boot(); got != dhcp.MessageTypeAck {
			t.Errorf("the address is not free when all members have received it: %v", got)
		}
		if now := b.life.Load().leases.ID(); now != id {
			t.Error("a list that took long, while the store went on, counted as one of an older store")
		}
		for _, m := range c.members {
			m.kill()
		}
		synctest.Wait()
	})
}
