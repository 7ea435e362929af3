package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp/netlab"
)

// TestRandomFailuresOfMembers makes the members and the servers of etcd of a real cluster fail at random: they are killed, stopped and cut
// off, their connections to etcd delay and lose frames, disks fill up and clocks are set, while udhcpc, dhclient and a load of other clients
// boot, renew, restart and release leases of a minute. No address is leased to two clients at a time, none loses a lease, and when everything
// works again each can extend its own. PLUGTONE_CLUSTER_LAB_RUNS sets the number of runs, PLUGTONE_CLUSTER_LAB_STEPS their length
// in steps of 2.5 s on average, PLUGTONE_CLUSTER_SEED the seed of the first one; without them there is a single short one. In runs of more than 60
// steps, clients leave and addresses go from one client to another.
func TestRandomFailuresOfMembers(t *testing.T) {
	t.Parallel()
	runs, steps := 1, 4
	if n, err := strconv.Atoi(os.Getenv("PLUGTONE_CLUSTER_LAB_RUNS")); err == nil {
		runs, steps = n, 14
	}
	if n, err := strconv.Atoi(os.Getenv("PLUGTONE_CLUSTER_LAB_STEPS")); err == nil {
		steps = n
	}
	first, _ := strconv.Atoi(os.Getenv("PLUGTONE_CLUSTER_SEED"))
	for i := range runs {
		t.Run(fmt.Sprintf("seed%d", first+i), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(first+i), 1))
			cfg := labConfig{options: "pools: [10.20.1.10-10.20.1.49], lease_time: 1m", members: []string{"a", "b", "c"}[:2+i%2], faults: true}
			if r.IntN(3) > 0 {
				cfg.lossy = netlab.Impairment{Delay: time.Duration(r.IntN(20)) * time.Millisecond, Loss: float64(r.IntN(4)) / 100, Seed: r.Uint64()}
			}
			newRandomRun(newLab(t, cfg), r).run(steps)
		})
	}
}

// randomRun is one run.
type randomRun struct {
	*clusterLab
	random *rand.Rand
	ledger *ledger
	load   *relayLoad
	faults int
	began  time.Time
}

func newRandomRun(c *clusterLab, r *rand.Rand) *randomRun {
	run := &randomRun{clusterLab: c, random: r, ledger: newLedger(c.t), began: time.Now()}
	run.load = c.newLoad(run.ledger, 60)
	c.happened = run.ledger.take
	return run
}

func (r *randomRun) run(steps int) {
	phones := r.newPhones(1, 6)
	for i, p := range phones {
		p.dhclient = i%2 == 1
		p.boot(3)
	}
	r.givesBack()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	const workers = 6
	for w := range workers {
		seed := r.random.Uint64()
		clients.Go(func() { r.work(stop, w, workers, rand.New(rand.NewPCG(seed, 2))) })
	}
	for range steps {
		if p := phones[r.random.IntN(len(phones))]; r.random.IntN(2) == 0 {
			p.boot(3)
		}
		r.disturb(r.members[r.random.IntN(len(r.members))])
		time.Sleep(time.Second + time.Duration(r.random.IntN(3000))*time.Millisecond) // clients and members are other programs
	}
	close(stop)
	clients.Wait()
	r.mend()
	r.verify(phones)
	r.report(steps)
}

// givesBack checks that a RELEASE of the load counts.
func (r *randomRun) givesBack() {
	r.eventually("a lease is given back", func() bool {
		r.load.boot(0)
		if e, ok := r.ledger.has(r.load.name(0), 0); ok {
			r.load.release(0, e)
		}
		return slices.ContainsFunc(r.members, func(name string) bool {
			return scrape(filepath.Join(r.dir, name+".sock"))[`plugtone_dhcp_verdicts_total{verdict="released"}`] > "0"
		})
	})
}

// report prints what happened; all of it when the test has failed.
func (r *randomRun) report(steps int) {
	n := r.ledger.total()
	if n < 3*steps {
		r.t.Errorf("only %d leases were acknowledged", n)
	}
	r.t.Logf("%d members, %+v: %d faults, leases by server: %v", len(r.members), r.lossy, r.faults, r.ledger.acks)
	if !r.t.Failed() {
		return
	}
	r.t.Log("\n" + strings.Join(r.ledger.log, "\n"))
	for name, h := range r.hosts {
		log, _ := os.ReadFile(h.log)
		r.t.Logf("%s:\n%s", name, log)
	}
}

// work drives the part of the load's clients with this number, until stop is closed.
func (r *randomRun) work(stop <-chan struct{}, part, parts int, random *rand.Rand) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(random.IntN(200)) * time.Millisecond): // the pace of clients
		}
		n := part + parts*random.IntN(len(r.load.clients)/parts)
		if r.off(n) {
			continue
		}
		e, ok := r.ledger.has(r.load.name(n), 0)
		switch random.IntN(8) {
		case 0:
			if ok {
				r.load.release(n, e)
			}
		case 1, 2:
			if ok {
				r.load.restart(n, e.ip)
			}
		default:
			if ok {
				r.load.renew(n, e.ip)
			} else {
				r.load.boot(n)
			}
		}
	}
}

// off reports whether a client is switched off now: half of them are, in turn, for long enough that their leases end.
func (r *randomRun) off(n int) bool {
	return n%2 == 1 && int(time.Since(r.began)/(150*time.Second))%2 != n/2%2
}

// disturb makes something fail, or everything work again.
func (r *randomRun) disturb(name string) {
	h, server := r.hosts[name], r.etcd.hosts[r.random.IntN(len(r.etcd.hosts))]
	faults := []struct {
		text string
		make func()
	}{
		{name + " is killed", h.kill},
		{name + " is stopped", func() { h.signal(syscall.SIGSTOP) }},
		{name + " is cut off from etcd", func() { r.check(h.ns.Down("mgmt0")) }},
		{name + " is cut off from phones", func() { r.check(h.ns.Down("voice0")) }},
		{"the disk of " + name + " is full", h.fill},
		{"the clock of " + name + " is set", func() { h.setClock(time.Duration(r.random.IntN(4*3600)-2*3600) * time.Second) }},
		{"a server of etcd is killed", server.kill},
		{"a server of etcd is stopped", func() { server.signal(syscall.SIGSTOP) }},
	}
	i := r.random.IntN(len(faults) + 4)
	if i >= len(faults) {
		r.ledger.note("everything works again")
		r.mend()
		return
	}
	r.ledger.note("%s", faults[i].text)
	r.faults++
	faults[i].make()
}

// mend makes everything work. Clocks stay as they are set.
func (r *randomRun) mend() {
	for _, h := range r.etcd.hosts {
		if h.cmd == nil {
			h.run()
		}
		h.signal(syscall.SIGCONT)
	}
	for name, h := range r.hosts {
		h.relieve()
		r.check(h.ns.Up("mgmt0"))
		r.check(h.ns.Up("voice0"))
		if h.cmd == nil {
			r.startMember(name)
		}
		h.signal(syscall.SIGCONT)
	}
}

// leastLeft is how much of its lease a client must have, to be sure to extend it. Others may lose theirs.
const leastLeft = 15 * time.Second

// verify checks that each client can extend the lease that it has.
func (r *randomRun) verify(phones []*labPhone) {
	for _, name := range r.members {
		r.eventually(name+" binds leases", func() bool {
			out := r.plugtone(name, "status")
			return strings.Contains(out, "ready") && !strings.Contains(out, "etcd has not been reachable since")
		})
	}
	r.ledger.note("each lease is extended")
	var all sync.WaitGroup
	extend := func(name, mac string, once func(ip string) (answered bool)) {
		all.Go(func() {
			for e, ok := r.ledger.has(name, leastLeft); ok; e, ok = r.ledger.has(name, 0) {
				if once(e.ip) {
					return // the ledger checks it
				}
				if _, ok := r.ledger.has(name, 0); !ok {
					r.ledger.note("%s gets no answer, to the end of its lease", name)
					r.t.Errorf("%s gets no answer about its lease of %s", name, e.ip)
					for _, member := range r.members {
						r.ledger.note("%s:\n%s\n%s", member, r.plugtone(member, "trace", mac), r.plugtone(member, "cluster", "status"))
					}
				}
			}
		})
	}
	for n := range r.load.clients {
		extend(r.load.name(n), r.load.mac(n).String(), func(ip string) bool { return r.load.renew(n, ip) })
	}
	for _, p := range phones {
		p.stop()
		extend(p.name, p.mac, func(ip string) bool {
			reply := p.renew(ip, allServers)
			if reply == nil {
				return false
			}
			e := phoneEvent{phone: p.name, at: time.Now(), kind: "renew", ip: reply.YourIPAddr.String(), server: reply.ServerIdentifier().String(), lease: reply.IPAddressLeaseTime(0)}
			if reply.MessageType() == dhcpv4.MessageTypeNak {
				e.kind = "nak"
			}
			r.ledger.take(e)
			return true
		})
	}
	all.Wait()
}
