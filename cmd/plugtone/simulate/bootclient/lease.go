package bootclient

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
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

// Lease gets a lease by DISCOVER and REQUEST and returns the ACK; the NAK with an error.
func (c *Client) Lease(ctx context.Context) (Reply, error) {
	offer, err := c.Offer(ctx)
	if err != nil {
		return Reply{}, err
	}
	return c.Request(ctx, Message{XID: offer.XID, Requested: offer.Addr, Server: offer.Server})
}

// Request sends a REQUEST with the addresses of m and returns the ACK; the NAK with an error. RFC 2131, 4.3.2: Requested and Server
// accept an offer, Requested alone verifies a lease after a restart, Addr alone extends it. Without an XID it is random.
func (c *Client) Request(ctx context.Context, m Message) (Reply, error) {
	r := c.base
	r.Type, r.XID, r.Addr, r.Requested, r.Server = Request, cmp.Or(m.XID, rand.Uint32()), m.Addr, m.Requested, m.Server
	reply, err := c.exchange(ctx, r, Ack, Nak)
	if err == nil && reply.Type == Nak {
		err = fmt.Errorf("%s: the server rejects the address by a NAK", c.base.MAC)
	}
	return reply, err
}

// exchange repeats a message until a reply of one of the types wanted arrives.
func (c *Client) exchange(ctx context.Context, m Message, want ...byte) (Reply, error) {
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
				if r.XID == m.XID && slices.Contains(want, r.Type) {
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
