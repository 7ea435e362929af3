package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"plugtone/dhcp/netlab"
)

// labPhone is a host with a DHCP client.
type labPhone struct {
	lab  *clusterLab
	name string
	mac  string
	ns   *netlab.Namespace
	cmd  *exec.Cmd
	pipe string

	dhclient bool // its client is dhclient, not udhcpc

	mu   sync.Mutex
	last phoneEvent
}

// phoneEvent is one event of a client: bound, renew, deconfig, leasefail or nak.
type phoneEvent struct {
	phone  string
	at     time.Time
	kind   string
	ip     string
	server string
	lease  time.Duration
}

// phone plugs a phone in.
func (c *clusterLab) phone(n int) *labPhone { return c.phoneOn(c.voice, n) }

func (c *clusterLab) phoneOn(link *netlab.Bridge, n int) *labPhone {
	name := fmt.Sprintf("phone%d", n)
	ns, err := c.lab.Namespace(name)
	c.check(err)
	p := &labPhone{lab: c, name: name, mac: fmt.Sprintf("00:15:65:00:%02x:%02x", n>>8, n&255), ns: ns, pipe: filepath.Join(c.dir, name+".events")}
	c.check(link.Attach(netlab.Port{Namespace: ns, Name: "eth0", MAC: p.mac}))
	c.check(syscall.Mkfifo(p.pipe, 0o600))
	events, err := os.OpenFile(p.pipe, os.O_RDWR, 0)
	c.check(err)
	go func() {
		for lines := bufio.NewScanner(events); lines.Scan(); {
			e := parsePhoneEvent(name, lines.Text())
			p.mu.Lock()
			p.last = e
			p.mu.Unlock()
			if c.happened != nil {
				c.happened(e)
			}
		}
	}()
	c.phones[name] = p
	return p
}

func parsePhoneEvent(phone, line string) phoneEvent {
	e := phoneEvent{phone: phone, at: time.Now()}
	for i, f := range strings.Fields(line) {
		key, value, _ := strings.Cut(f, "=")
		switch {
		case i == 0:
			e.kind = f
		case key == "ip":
			e.ip = value
		case key == "server":
			e.server = value
		case key == "lease":
			var secs int
			_, _ = fmt.Sscan(value, &secs)
			e.lease = time.Duration(secs) * time.Second
		}
	}
	return e
}

// boot starts the client of a phone: udhcpc, which repeats a DISCOVER after three seconds, or dhclient. tries is how many udhcpc sends
// before it gives up.
func (p *labPhone) boot(tries int) {
	p.stop()
	p.mu.Lock()
	p.last = phoneEvent{}
	p.mu.Unlock()
	if p.dhclient {
		state := func(name string) string { return filepath.Join(p.lab.dir, p.name+name) }
		leases, err := os.OpenFile(state(".leases"), os.O_CREATE|os.O_RDWR, 0o600)
		p.lab.check(err)
		p.lab.check(leases.Close())
		p.cmd = p.ns.Command(context.Background(), "dhclient", "-d", "-4", "-cf", filepath.Join(p.lab.dir, "dhclient.conf"), "-lf", state(".leases"), "-pf", state(".pid"),
			"-sf", filepath.Join(p.lab.dir, "dhclient.sh"), "-e", "EVENTS="+p.pipe, "eth0")
	} else {
		p.cmd = p.ns.Command(context.Background(), "udhcpc", "-i", "eth0", "-f", "-n", "-t", fmt.Sprint(tries), "-T", "3", "-s", filepath.Join(p.lab.dir, "udhcpc.sh"), "-V", "yealink")
	}
	p.cmd.Env = append(os.Environ(), "EVENTS="+p.pipe)
	p.lab.check(p.cmd.Start())
}

// dhclientScript is what dhclient runs at each event, like dhcpScript. A lease of before is not used without an answer.
const dhclientScript = `#!/bin/sh
case $reason in
BOUND|REBOOT|RENEW|REBIND)
	ip addr flush dev $interface
	ip addr add $new_ip_address/$new_subnet_mask dev $interface
	kind=bound
	;;
PREINIT) ip link set $interface up; kind=deconfig ;;
EXPIRE|FAIL|STOP|RELEASE) ip addr flush dev $interface; kind=deconfig ;;
TIMEOUT) exit 1 ;;
*) exit 0 ;;
esac
echo "$kind ip=$new_ip_address lease=$new_dhcp_lease_time server=$new_dhcp_server_identifier" >>$EVENTS
`

const dhclientConfig = `send vendor-class-identifier "yealink";
timeout 12; retry 2; reboot 4; select-timeout 0; initial-interval 1; backoff-cutoff 3;
`

// bound waits until the phone has a lease and returns it.
func (p *labPhone) bound() phoneEvent {
	p.lab.t.Helper()
	return p.event("bound", "renew")
}

// event waits until the last event of the phone is of one of these kinds, and returns it.
func (p *labPhone) event(kinds ...string) (e phoneEvent) {
	p.lab.t.Helper()
	p.lab.eventually(fmt.Sprintf("%s: %v", p.name, kinds), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		e = p.last
		return slices.Contains(kinds, e.kind)
	})
	return e
}

// refused waits until the phone has given up.
func (p *labPhone) refused() {
	p.lab.t.Helper()
	err := p.cmd.Wait()
	p.cmd = nil
	if p.mu.Lock(); err == nil || p.last.kind == "bound" {
		p.lab.t.Errorf("%s got a lease: %+v", p.name, p.last)
	}
	p.mu.Unlock()
}

// stop ends the client, without a RELEASE.
func (p *labPhone) stop() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}
