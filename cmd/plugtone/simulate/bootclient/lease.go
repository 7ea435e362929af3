package bootclient

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Client is the DHCP client of one phone. It isn't for several goroutines.
type Client struct {
	Tries int                         // how often a message is sent
	Wait  func(try int) time.Duration // for the reply to a message that was sent for the try-th time, from 0
	Again int                         // messages that were sent again

	port    *Port
	base    Message
	replies chan Reply
}

// Client returns the client with the MAC of base, whose messages have what base has.
func (p *Port) Client(base Message, tries int, wait func(try int) time.Duration) *Client {
	c := &Client{Tries: tries, Wait: wait, port: p, base: base, replies: make(chan Reply, 4)}
	p.mu.Lock()
	p.clients[base.MAC] = c.replies
	p.mu.Unlock()
	return c
}

// Offer sends a DISCOVER and returns the OFFER.
func (c *Client) Offer(ctx context.Context) (Reply, error) {
	m := c.base
	m.Type, m.XID = Discover, rand.Uint32()
	return c.exchange(ctx, m, Offer)
}

// Lease gets a lease by DISCOVER and REQUEST and returns the ACK.
func (c *Client) Lease(ctx context.Context) (Reply, error) {
	offer, err := c.Offer(ctx)
	if err != nil {
		return Reply{}, err
	}
	m := c.base
	m.Type, m.XID, m.Requested, m.Server = Request, offer.XID, offer.Addr, offer.Server
	return c.exchange(ctx, m, Ack)
}

// Select sends the REQUEST of a client that was offered an address by a server, and returns the ACK or NAK.
func (c *Client) Select(ctx context.Context, addr, server netip.Addr) (Reply, error) {
	m := c.base
	m.Type, m.XID, m.Requested, m.Server = Request, rand.Uint32(), addr, server
	return c.exchange(ctx, m, 0)
}

// Extend extends the lease of an address by a REQUEST (RENEWING or REBINDING of RFC 2131, 4.3.2) and returns the ACK; the NAK with an error.
func (c *Client) Extend(ctx context.Context, addr netip.Addr) (Reply, error) {
	m := c.base
	m.Type, m.XID, m.Addr = Request, rand.Uint32(), addr
	return c.confirm(ctx, m)
}

// Restart verifies the lease of an address by a REQUEST (INIT-REBOOT of RFC 2131, 4.3.2) and returns the ACK; the NAK with an error.
func (c *Client) Restart(ctx context.Context, addr netip.Addr) (Reply, error) {
	m := c.base
	m.Type, m.XID, m.Requested = Request, rand.Uint32(), addr
	return c.confirm(ctx, m)
}

func (c *Client) confirm(ctx context.Context, m Message) (Reply, error) {
	r, err := c.exchange(ctx, m, 0)
	if err == nil && r.Type != Ack {
		err = fmt.Errorf("%s: a DHCP message of type %d instead of an ACK", c.base.MAC, r.Type)
	}
	return r, err
}

// Release gives the lease of an address back to the server that it is from.
func (c *Client) Release(addr, server netip.Addr) error {
	m := c.base
	m.Type, m.XID, m.Addr, m.Server = Release, rand.Uint32(), addr, server
	return c.port.send(&m)
}

// exchange repeats a message until a reply of the type wanted arrives; 0: of any type.
func (c *Client) exchange(ctx context.Context, m Message, want byte) (Reply, error) {
	began := time.Now()
	for try := range c.Tries {
		if try > 0 {
			c.Again++
		}
		m.Secs = uint16(time.Since(began) / time.Second)
		c.port.unanswered.Add(1)
		if err := c.port.send(&m); err != nil {
			return Reply{}, err
		}
		timeout := time.NewTimer(c.Wait(try))
		for waiting := true; waiting; {
			select {
			case r := <-c.replies:
				if r.XID == m.XID && (want == 0 || r.Type == want) {
					timeout.Stop()
					return r, nil
				}
			case <-timeout.C:
				waiting = false
			case <-ctx.Done():
				timeout.Stop()
				return Reply{}, ctx.Err()
			}
		}
	}
	return Reply{}, fmt.Errorf("%s: no DHCP reply to %d messages", c.base.MAC, c.Tries)
}

// Every is a wait that is the same for each try.
func Every(d time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return d }
}

// Doubled is a wait that is twice as long for each further try (RFC 2131, 4.1).
func Doubled(first time.Duration) func(int) time.Duration {
	return func(try int) time.Duration { return first << try }
}
