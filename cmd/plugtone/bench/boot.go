package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stormSpec is a number of phones that boot at the same moment.
type stormSpec struct {
	Server string
	Phones int
	Keep   bool // one connection for all files of a phone
	Upload bool // don't boot: only give the server what phones will fetch back later
}

// stormResult is what became of them.
type stormResult struct {
	Done, Failed int
	Why          string        // the first failure
	Last         time.Duration // from the first DISCOVER until the last phone had its last file
	P50, P99     time.Duration // of a phone, from its DISCOVER to its last file
	Leased       time.Duration // until the last phone had its lease
	DHCPAgain    int           // DISCOVERs and REQUESTs that were sent again
	DHCPLost     int           // DISCOVERs and REQUESTs that were never answered; the others were answered late
	FilesAgain   int           // fetches that had to be done once more
	TCPAgain     int           // segments that the phones' kernel had to send once more
}

// bootFile is one file that a phone requests as it boots, and the status that it gets.
type bootFile struct {
	file   string
	status string
}

// bootFiles are the requests of a booting Yealink phone: two names that do not exist, then three files, of which the last is its own of
// earlier days.
func bootFiles(n int) []bootFile {
	mac := fmt.Sprintf("%x", phoneMAC(n))
	return []bootFile{{mac + ".boot", "404"}, {"y000000000000.boot", "404"}, {"y000000000108.cfg", "200"}, {mac + ".cfg", "200"}, {localFile(n), "200"}}
}

func localFile(n int) string { return fmt.Sprintf("%x-local.cfg", phoneMAC(n)) }

// bootTries is how often a phone sends a request at most, one to two seconds apart.
const bootTries = 15

func retryAfter() time.Duration { return time.Second + rand.N(time.Second) }

// boot has all phones boot and prints what became of them.
func boot(spec string) error {
	var r stormSpec
	if err := json.Unmarshal([]byte(spec), &r); err != nil {
		return err
	}
	w, err := openWire("eth0", r.Phones)
	if err != nil {
		return err
	}
	go func() {
		if err := w.listen(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}()
	before, err := counter("/proc/self/net/snmp", "Tcp:", "RetransSegs")
	if err != nil {
		return err
	}
	all := make([]*phone, r.Phones)
	var phones sync.WaitGroup
	start := make(chan struct{})
	for n := range all {
		all[n] = &phone{n: n, stormSpec: &r, wire: w, conn: fileClient{from: phoneAddr(n), server: r.Server, keep: r.Keep}}
		phones.Go(func() {
			<-start
			all[n].run()
		})
	}
	started := time.Now()
	close(start)
	phones.Wait()
	out := sum(all, started)
	for range 100 { // what comes late still counts as an answer
		if out.DHCPLost = int(w.owed.Load()); out.DHCPLost <= 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	after, err := counter("/proc/self/net/snmp", "Tcp:", "RetransSegs")
	out.TCPAgain = after - before
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(out))
}

// sum makes one figure of many phones.
func sum(all []*phone, started time.Time) (out stormResult) {
	var took []time.Duration
	for _, p := range all {
		out.DHCPAgain += int(p.dhcpAgain)
		out.FilesAgain += int(p.filesAgain)
		if p.err != nil {
			out.Failed++
			if out.Why == "" {
				out.Why = p.err.Error()
			}
			continue
		}
		out.Done++
		took = append(took, p.done.Sub(p.started))
		out.Last = max(out.Last, p.done.Sub(started))
		out.Leased = max(out.Leased, p.leased.Sub(started))
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		out.P50, out.P99 = took[n/2], took[n*99/100]
	}
	return out
}

// phone is one of them.
type phone struct {
	n                     int
	stormSpec             *stormSpec
	wire                  *wire
	conn                  fileClient
	started, leased, done time.Time
	dhcpAgain, filesAgain int
	err                   error
}

var lastXID atomic.Uint32

func (p *phone) run() {
	p.started = time.Now()
	if p.stormSpec.Upload {
		p.err = p.request("PUT", localFile(p.n), "phone_setting.ring_type = Ring3.wav\n", "2")
		p.conn.hangUp()
		p.leased, p.done = p.started, time.Now()
		return
	}
	if p.err = p.lease(); p.err == nil {
		p.leased = time.Now()
		p.err = p.fetch()
	}
	p.done = time.Now()
}

// lease goes from DISCOVER to ACK.
func (p *phone) lease() error {
	xid := lastXID.Add(1)
	offered, err := p.exchange(discover, offer, xid, received{})
	if err != nil {
		return err
	}
	_, err = p.exchange(request, ack, xid, offered)
	return err
}

// exchange repeats a message until the wanted reply arrives. It must have the address that the phone had before.
func (p *phone) exchange(kind, want byte, xid uint32, chosen received) (received, error) {
	for try := range bootTries {
		if try > 0 {
			p.dhcpAgain++
		}
		if err := p.wire.send(p.n, kind, xid, chosen); err != nil {
			return received{}, err
		}
		timeout := time.NewTimer(retryAfter())
		for waiting := true; waiting; {
			select {
			case h := <-p.wire.received[p.n]:
				if h.xid != xid || h.kind != want {
					continue
				}
				timeout.Stop()
				if h.addr != phoneAddr(p.n) {
					return h, fmt.Errorf("phone %d had %s and is given %s", p.n, phoneAddr(p.n), h.addr)
				}
				return h, nil
			case <-timeout.C:
				waiting = false
			}
		}
	}
	return received{}, fmt.Errorf("phone %d: no DHCP answer after %d requests", p.n, bootTries)
}

// fetch gets all files, one after the other.
func (p *phone) fetch() error {
	defer p.conn.hangUp()
	for _, a := range bootFiles(p.n) {
		if err := p.request("GET", a.file, "", a.status); err != nil {
			return err
		}
	}
	return nil
}

// request repeats a request until it has the wanted answer.
func (p *phone) request(method, file, body, status string) error {
	for try := 1; ; try++ {
		err := p.conn.exchange(method, file, body, status)
		if err == nil {
			return nil
		}
		if p.conn.hangUp(); try == bootTries {
			return err
		}
		p.filesAgain++
		time.Sleep(retryAfter())
	}
}

// fileClient is a phone's HTTP client.
type fileClient struct {
	from   netip.Addr
	server string
	keep   bool
	conn   net.Conn
	r      *bufio.Reader
}

// exchange makes one request and reads its whole answer, whose status must begin as given.
func (c *fileClient) exchange(method, file, body, status string) error {
	if c.conn == nil {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.from, 0)), Timeout: 10 * time.Second}
		conn, err := d.Dial("tcp4", c.server+":80")
		if err != nil {
			return err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	head := method + " /" + file + " HTTP/1.1\r\nHost: " + c.server + "\r\n"
	if body != "" {
		head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if !c.keep {
		head += "Connection: close\r\n"
	}
	if _, err := io.WriteString(c.conn, head+"\r\n"+body); err != nil {
		return err
	}
	if _, err := response(c.r, status); err != nil {
		return fmt.Errorf("%s %s: %w", method, file, err)
	}
	if !c.keep {
		c.hangUp()
	}
	return nil
}

func (c *fileClient) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// counter reads one of the kernel's counters (proc_net(5)): a line of names, then a line of values.
func counter(file, group, name string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] != group:
		case names == nil:
			names = f
		default:
			if i := slices.Index(names, name); i >= 0 && i < len(f) {
				return strconv.Atoi(f[i])
			}
		}
	}
	return 0, fmt.Errorf("%s has no %s %s", file, group, name)
}
