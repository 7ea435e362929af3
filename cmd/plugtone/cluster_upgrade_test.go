package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"sync"
	"syscall"
	"testing"
)

// TestRollingUpgrade: one member after the other ends and starts with another version. Meanwhile each message of a client is answered, none
// loses its lease, and the other member takes changes, which the new version has. PLUGTONE_OLD_PROGRAM is a plugtone of the release before, with
// which the members begin; without it they begin with this one.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	c := newLab(t, labConfig{options: "pools: [10.20.1.10-10.20.1.90], lease_time: 5m", members: []string{"a", "b"}, faults: true, oldProgram: os.Getenv("PLUGTONE_OLD_PROGRAM"), tries: 10})
	run := newRandomRun(c, rand.New(rand.NewPCG(1, 1)))
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for w := range 4 {
		clients.Go(func() { run.work(stop, w, 4, rand.New(rand.NewPCG(uint64(w), 2))) })
	}
	changes := 0
	for i, name := range c.members {
		h, other := c.hosts[name], c.members[1-i]
		h.signal(syscall.SIGTERM)
		ended := make(chan error)
		go func() { ended <- h.cmd.Wait() }()
		api := c.api(other)
		change := func() {
			changes++
			api.put(1, fmt.Sprint("change ", changes))
		}
		for waiting := true; waiting; {
			change()
			select {
			case err := <-ended:
				c.check(err)
				waiting = false
			default:
			}
		}
		change()
		h.program, h.version = "", "2.0"
		c.startMember(name)
		change()
		shown := regexp.MustCompile(name + " +yes +2[.]0 ")
		for _, on := range c.members {
			c.eventually(on+" sees the new "+name, func() bool { return shown.MatchString(c.plugtone(on, "cluster", "status")) })
			c.eventually(on+" has the last change", func() bool {
				return regexp.MustCompile(fmt.Sprintf("change %d\\b", changes)).MatchString(c.plugtone(on, "device", "list"))
			})
		}
	}
	close(stop)
	clients.Wait()
	run.verify(nil)
	t.Logf("%d changes, leases by server: %v", changes, run.ledger.acks)
	if n := run.load.silent.Load(); n > 0 {
		t.Errorf("%d messages of clients got no answer", n)
	}
}
