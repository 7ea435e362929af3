package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"plugtone/cmd/plugtone/simulate/bootclient"
)

// stormSpec is a number of phones that boot at the same moment.
type stormSpec struct {
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
	status int
}

// bootFiles are the requests of a booting Yealink phone: two names that do not exist, then three files, of which the last is its own of
// earlier days.
func bootFiles(n int) []bootFile {
	mac := phoneMAC(n).Hex()
	return []bootFile{{mac + ".boot", 404}, {"y000000000000.boot", 404}, {"y000000000108.cfg", 200}, {mac + ".cfg", 200}, {localFile(n), 200}}
}

func localFile(n int) string { return phoneMAC(n).Hex() + "-local.cfg" }

// bootTries is how often a phone sends a request at most, one to two seconds apart.
const bootTries = 15

func retryAfter() time.Duration { return time.Second + rand.N(time.Second) }

// run has all phones boot and returns what became of them.
func (r stormSpec) run() (out stormResult, err error) {
	port, err := bootclient.OnLink("eth0")
	if err != nil {
		return out, err
	}
	before, err := counter("/proc/self/net/snmp", "Tcp:", "RetransSegs")
	if err != nil {
		return out, err
	}
	all := make([]*phone, r.Phones)
	var phones sync.WaitGroup
	start := make(chan struct{})
	for n := range all {
		dhcp := port.Client(bootclient.Message{MAC: phoneMAC(n), Class: "yealink", Hostname: "SIP-T46U", Params: []uint8{1, 3, 6, 12, 15, 42, 43, 66, 132}},
			bootTries, func(int) time.Duration { return retryAfter() })
		all[n] = &phone{n: n, upload: r.Upload, dhcp: dhcp, files: bootclient.HTTP{From: phoneAddr(n), Server: serverAddr, Keep: r.Keep, Timeout: 10 * time.Second}}
		phones.Go(func() {
			<-start
			all[n].run()
		})
	}
	started := time.Now()
	close(start)
	phones.Wait()
	out = sum(all, started)
	for range 100 { // what comes late still counts as an answer
		if out.DHCPLost = port.Unanswered(); out.DHCPLost <= 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	after, err := counter("/proc/self/net/snmp", "Tcp:", "RetransSegs")
	out.TCPAgain = after - before
	return out, err
}

// sum makes one figure of many phones.
func sum(all []*phone, started time.Time) (out stormResult) {
	var took []time.Duration
	for _, p := range all {
		out.DHCPAgain += p.dhcp.Again
		out.FilesAgain += p.filesAgain
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
	upload                bool
	dhcp                  *bootclient.Client
	files                 bootclient.HTTP
	started, leased, done time.Time
	filesAgain            int
	err                   error
}

func (p *phone) run() {
	p.started = time.Now()
	if p.upload {
		p.err = p.request("PUT", localFile(p.n), "phone_setting.ring_type = Ring3.wav\n", 200)
		p.files.Close()
		p.leased, p.done = p.started, time.Now()
		return
	}
	if p.err = p.lease(); p.err == nil {
		p.leased = time.Now()
		p.err = p.fetch()
	}
	p.done = time.Now()
}

// lease goes from DISCOVER to ACK, of the address that the phone had before.
func (p *phone) lease() error {
	ack, err := p.dhcp.Lease(context.Background())
	if err == nil && ack.Addr != phoneAddr(p.n) {
		err = fmt.Errorf("phone %d had %s and is given %s", p.n, phoneAddr(p.n), ack.Addr)
	}
	return err
}

// fetch gets all files, one after the other.
func (p *phone) fetch() error {
	defer p.files.Close()
	for _, a := range bootFiles(p.n) {
		if err := p.request("GET", a.file, "", a.status); err != nil {
			return err
		}
	}
	return nil
}

// request repeats a request until it has the wanted answer.
func (p *phone) request(method, file, body string, want int) error {
	for try := 1; ; try++ {
		status, _, err := p.files.Do(method, file, body, nil)
		if err == nil && status != want {
			p.files.Close()
			err = fmt.Errorf("HTTP status %d", status)
		}
		if err == nil {
			return nil
		}
		if try == bootTries {
			return fmt.Errorf("%s %s: %w", method, file, err)
		}
		p.filesAgain++
		time.Sleep(retryAfter())
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
