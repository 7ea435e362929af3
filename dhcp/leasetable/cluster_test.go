package leasetable_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/sharing"
	"plugtone/store/etcd/sharedleases"
	"plugtone/store/etcd/simulated"
	"plugtone/store/leases"
)

// TestSharedSubnetKeepsItsPromises runs members of a cluster with simulated phones, whose network, etcd, processes and wall clocks fail at
// random. No address is acknowledged to two phones that use it at a time, and no acknowledged lease is lost (C57 to C60).
// PLUGTONE_CLUSTER_RUNS sets the number of runs, PLUGTONE_CLUSTER_SEED that of the first one.
func TestSharedSubnetKeepsItsPromises(t *testing.T) {
	runs, seed := envNumber("PLUGTONE_CLUSTER_RUNS", 1000), envNumber("PLUGTONE_CLUSTER_SEED", 1)
	if testing.Short() {
		runs = min(runs, 50)
	}
	var total atomic.Int64
	for i := range runs {
		ok := t.Run(fmt.Sprintf("seed%d", seed+i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, uint64(seed+i))
				c.run()
				total.Add(int64(c.acks))
			})
		})
		if !ok {
			break
		}
	}
	if n := total.Load(); n < int64(runs)*20 {
		t.Errorf("only %d ACKs in %d runs", n, runs)
	} else {
		t.Logf("%d ACKs in %d runs", n, runs)
	}
}

func envNumber(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// The time of a run, and how long it takes until everything works again after the last failure.
const (
	runTime   = 8 * time.Minute
	healTime  = 40 * time.Second
	simLease  = 90 * time.Second
	simPool   = 5
	firstAddr = "10.20.0.100"
)

// cluster is a simulation: members, phones and their common store.
type cluster struct {
	t       *testing.T
	store   *simulated.Store
	members []*clusterMember
	phones  []*phone
	began   time.Time

	mu   sync.Mutex // guards rand and the ledger
	rand *rand.Rand
	acks int
	log  []string
	lost int // one in so many packets

	lease       time.Duration   // of each phone
	quarantined map[string]bool // addresses that two phones had leases of when the store was set back: both lose theirs
}

func newCluster(t *testing.T, seed uint64) *cluster {
	c := &cluster{t: t, store: simulated.New(), rand: rand.New(rand.NewPCG(seed, 7)), began: time.Now(), lost: 12, lease: simLease, quarantined: map[string]bool{}}
	c.store.Written = c.written
	for i := range 2 + c.random(2) {
		m := &clusterMember{c: c, n: i, id: dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr("10.20.0.2")) + uint32(i)), disk: dhcptest.NewDisk(), truth: map[int64]time.Time{}}
		m.client = c.store.NewClient(c.random)
		m.client.Network(20*time.Millisecond, 0)
		c.members = append(c.members, m)
	}
	for i := range 4 + c.random(4) {
		c.phones = append(c.phones, &phone{c: c, n: i + 1, inbox: make(chan *dhcp.Reply, 16)})
	}
	return c
}

func (c *cluster) random(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(max(n, 1))
}

// upTo returns a random time below d.
func (c *cluster) upTo(d time.Duration) time.Duration { return time.Duration(c.random(int(d))) }

func (c *cluster) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf("%8.3f  ", time.Since(c.began).Seconds())+fmt.Sprintf(format, args...))
}

// written notes a change of the store.
func (c *cluster) written(r sharedleases.Record) {
	if l, err := leases.ReadLease(r.Value); err == nil {
		addr := r.Key[len("leases/10.20.0.0/24/"):]
		c.note("store %d: %s is %s of phone %d until %s", r.Revision, addr, l.State, l.MAC[5], l.Expires.Format("15:04:05"))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.quarantined[addr] = c.quarantined[addr] || l.State == dhcp.LeaseDeclined && l.MAC.IsZero()
	} else {
		c.note("store %d: %s is %s", r.Revision, r.Key, r.Value)
	}
}

// fail reports a broken promise with the last events.
func (c *cluster) fail(format string, args ...any) {
	c.note("BROKEN: "+format, args...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.t.Failed() {
		for _, l := range c.log[max(0, len(c.log)-120):] {
			c.t.Log(l)
		}
		c.t.Errorf(format, args...)
	}
}

func (c *cluster) run() {
	ctx, cancel := context.WithCancel(c.t.Context())
	for _, m := range c.members {
		m.start()
		m.observe()
	}
	var phones sync.WaitGroup
	for _, p := range c.phones {
		phones.Go(func() { p.run(ctx) })
	}
	if c.random(3) == 0 {
		c.loseStore()
	}
	for end := time.Now().Add(runTime); time.Now().Before(end); {
		time.Sleep(c.upTo(25 * time.Second))
		c.disturb(c.members[c.random(len(c.members))])
		for _, m := range c.members {
			m.observe()
		}
	}
	cancel()
	phones.Wait()
	c.heal()
	for _, p := range c.phones {
		p.verify(c.t.Context())
	}
	for _, m := range c.members {
		m.kill()
	}
	synctest.Wait()
}

// disturb makes something fail, or work again.
func (c *cluster) disturb(m *clusterMember) {
	switch c.random(11) {
	case 0, 1:
		c.note("member %d is cut off", m.n)
		m.client.Cut(true)
	case 2, 3, 4:
		c.note("member %d is joined", m.n)
		m.client.Cut(false)
		m.goOn()
		m.start()
	case 5:
		if !m.client.Stopped() && m.life.Load() != nil {
			c.note("member %d is stopped", m.n)
			if c.random(2) == 0 {
				m.client.StopAtTxn()
			} else {
				m.client.Stop()
			}
		}
	case 6:
		m.kill()
	case 7:
		if m.life.Load() != nil && !m.client.Stopped() {
			step := c.upTo(4*time.Hour) - 2*time.Hour + 137
			if c.random(2) == 0 {
				step = c.upTo(8*time.Second) - 4*time.Second
			}
			c.note("the clock of member %d is set by %s", m.n, step)
			m.step(step)
			time.Sleep(time.Second) // its local copy is written
		}
	case 8:
		slow, lose := c.upTo(time.Second), 2+c.random(20)
		m.client.Network(slow, lose)
		m.client.SlowList(c.upTo(3 * time.Minute))
	case 9:
		m.client.Network(5*time.Millisecond, 0)
		m.client.SlowList(0)
		c.store.Compact()
	case 10:
		c.note("etcd is down for all")
		for _, m := range c.members {
			m.client.Cut(true)
		}
	}
}

// loseStore makes the store lose its data, or go back to what it had a while before, while all members run. What was bound a moment before is known to
// all of them.
func (c *cluster) loseStore() {
	time.Sleep(c.upTo(2 * time.Minute))
	before := c.store.Snapshot()
	time.Sleep(c.upTo(2 * time.Minute))
	c.heal()
	if c.random(2) == 0 {
		c.note("the store is set back")
		c.store.SetBack(before)
	} else {
		c.note("the store has lost its data")
		c.store.Lose()
	}
	time.Sleep(90 * time.Second)
	c.mu.Lock()
	c.lost = 12
	c.mu.Unlock()
}

// heal makes everything work.
func (c *cluster) heal() {
	c.note("healed")
	for _, m := range c.members {
		m.client.Cut(true)
		m.client.Cut(false)
		m.client.Network(2*time.Millisecond, 0)
		m.client.SlowList(0)
		m.goOn()
		m.start()
	}
	c.mu.Lock()
	c.lost = 0
	c.mu.Unlock()
	time.Sleep(healTime)
}

// complete reports whether all members were connected for a while, as far as is known: an end of that shows after four seconds.
func (c *cluster) complete() bool {
	until := time.Now().Add(-4 * time.Second)
	for _, m := range c.members {
		m.mu.Lock()
		from, to := m.connected, m.ended
		m.mu.Unlock()
		if from.IsZero() || until.Sub(from) < sharing.SettleTime || !to.IsZero() && to.Before(until) {
			return false
		}
	}
	return true
}
