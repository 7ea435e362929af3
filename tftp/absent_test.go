package tftp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/dhcp/netlab"
	"plugtone/provision"
)

// serverEnv makes the test program a TFTP server, because a server sends from the network namespace of its process.
const serverEnv = "PLUGTONE_TFTP_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		if err := serveFixture(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if status, ran := netlab.Enter(); ran {
		os.Exit(status)
	}
	netlab.AtOnce(8) // most wait for a client or a timeout
	os.Exit(m.Run())
}

var (
	fixtureFile  = bytes.Repeat([]byte("account.1.enable = 1\n"), 480) // 10 kB
	fixtureAddr  = netip.MustParseAddr("10.20.0.2")
	fixtureMAC   = "02:00:00:00:00:02"
	phoneNet     = netip.MustParsePrefix("10.20.1.0/24") // addresses with a lease
	attackedLink = 16                                    // prefix length of the link
)

// serveFixture serves phones their own files and every client a ring tone until its input ends; then it prints its counts.
func serveFixture() error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 69})
	if err != nil {
		return err
	}
	a := &answers{F: func(r provision.Request) provision.Answer {
		switch authenticated := phoneNet.Contains(r.From); {
		case strings.HasPrefix(r.Name, "own") && authenticated, r.Name == "ringtone.wav":
			return provision.Answer{Outcome: provision.Served, Body: fixtureFile, Size: int64(len(fixtureFile)), Known: authenticated}
		case r.Name == "large":
			return provision.Answer{Outcome: provision.Served, Content: &stream{Reader: bytes.NewReader(largeFile())}, Size: int64(len(largeFile())), Known: authenticated}
		case strings.HasPrefix(r.Name, "own"):
			return provision.Answer{Outcome: provision.Refused}
		}
		return provision.Answer{Outcome: provision.NotFound}
	}}
	cfg := Config{Conns: []net.PacketConn{conn}, Now: time.Now, Grace: time.Millisecond}
	if os.Getenv(serverEnv) == "true" {
		cfg.Leased = phoneNet.Contains
	}
	s, err := New(cfg, a, nil)
	if err != nil {
		return err
	}
	ctx, stop := contextUntilEOF(os.Stdin)
	defer stop()
	if err := s.Run(ctx, func() { fmt.Println("ready") }); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s.Stats())
}

// attackedFixture is a link with the server, three phones and an attacker.
type attackedFixture struct {
	leases bool // the server has Config.Leased
	phones []*netlab.Namespace
	fd     int // the attacker's packet socket
	index  int
	input  io.Closer
	output *bufio.Reader
	cmd    *exec.Cmd
}

func newAttackedFixture(t *testing.T, leases bool) *attackedFixture {
	t.Helper()
	lab := netlab.Require(t, "tftp=tftp-hpa", "atftp")
	link, err := lab.Bridge("link")
	must(t, err)
	attach := func(name, addr, mac string) *netlab.Namespace {
		ns, err := lab.Namespace(name)
		must(t, err)
		must(t, link.Attach(netlab.Port{Namespace: ns, Name: "eth0", MAC: mac, Addrs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprint(addr, "/", attackedLink))}}))
		return ns
	}
	f := &attackedFixture{leases: leases}
	server := attach("server", fixtureAddr.String(), fixtureMAC)
	for i := range 3 {
		f.phones = append(f.phones, attach(fmt.Sprint("phone", i), fmt.Sprint("10.20.1.", 1+i), ""))
	}
	must(t, attach("attacker", "10.20.200.1", "").Do(f.openPacketSocket))
	t.Cleanup(func() { _ = unix.Close(f.fd) })
	f.cmd = server.Command(t.Context(), os.Args[0])
	f.cmd.Env, f.cmd.Stderr = append(os.Environ(), fmt.Sprint(serverEnv, "=", leases)), os.Stderr
	f.input, err = f.cmd.StdinPipe()
	must(t, err)
	output, err := f.cmd.StdoutPipe()
	must(t, err)
	f.output = bufio.NewReader(output)
	must(t, f.cmd.Start())
	if line, err := f.output.ReadString('\n'); line != "ready\n" {
		t.Fatalf("server: %q %v", line, err)
	}
	return f
}

// stop ends the server and returns its counts.
func (f *attackedFixture) stop(t *testing.T) (st Stats) {
	t.Helper()
	must(t, f.input.Close())
	must(t, json.NewDecoder(f.output).Decode(&st))
	must(t, f.cmd.Wait())
	return st
}

func (f *attackedFixture) openPacketSocket() error {
	in, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	f.index = in.Index
	f.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0: it receives nothing
	return err
}

// requestFrame is an RRQ in UDP in IPv4 in Ethernet, as RFC 1350, 768, 791 and 894 describe them.
func requestFrame(from netip.Addr, port uint16, name string) []byte {
	tftp := []byte("\x00\x01" + name + "\x00octet\x00")
	src, dst := from.As4(), fixtureAddr.As4()
	f := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0xbe, 0xef, 8, 0}
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, src[0], src[1], src[2], src[3], dst[0], dst[1], dst[2], dst[3]}
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(tftp)))
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum>>16+sum&0xffff))
	f = append(f, ip...)
	f = binary.BigEndian.AppendUint16(f, port)
	f = binary.BigEndian.AppendUint16(f, 69)
	f = binary.BigEndian.AppendUint16(f, uint16(8+len(tftp)))
	return append(append(f, 0, 0), tftp...) // a UDP checksum of 0 is none
}

// attack sends 5,000 frames a second until stop is closed, for at most a minute. It closes started when 10,000 are sent.
func (f *attackedFixture) attack(started chan<- struct{}, stop <-chan struct{}, frame func(i int) []byte) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range 6000 {
		if i == 200 {
			close(started)
		}
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		for j := range 50 {
			if err := unix.Sendto(f.fd, frame(50*i+j), 0, &unix.SockaddrLinklayer{Ifindex: f.index, Halen: 6}); err != nil {
				return err
			}
		}
	}
	return errors.New("the phones took longer than the attack")
}

// fetchAll fetches n files from each phone and, when the server has leases, requests as many that do not exist. It returns how many were
// served, and how many requests were refused.
func (f *attackedFixture) fetchAll(t *testing.T, n int) (served, refused int) {
	t.Helper()
	dir := t.TempDir()
	var mu sync.Mutex
	var phones sync.WaitGroup
	for i, ns := range f.phones {
		phones.Go(func() {
			for j := range n {
				got := filepath.Join(dir, fmt.Sprint(i, "-", j))
				cmd := ns.Command(t.Context(), "tftp", "-m", "octet", fixtureAddr.String(), "-c", "get", fmt.Sprint("own", j), got)
				if j%2 == 1 {
					cmd = ns.Command(t.Context(), "atftp", "-g", "-r", fmt.Sprint("own", j), "-l", got, "--option", "blksize 1428", fixtureAddr.String())
				}
				_ = cmd.Run() // the file is compared below
				body, _ := os.ReadFile(got)
				var output []byte
				if f.leases {
					output, _ = ns.Command(t.Context(), "tftp", fixtureAddr.String(), "-c", "get", "boot", got+".boot").CombinedOutput()
				}
				mu.Lock()
				if bytes.Equal(body, fixtureFile) {
					served++
				}
				if strings.Contains(strings.ToLower(string(output)), "file not found") {
					refused++
				}
				mu.Unlock()
			}
		})
	}
	phones.Wait()
	return served, refused
}

// underAttack fetches files from the phones during the attack and after it.
func underAttack(t *testing.T, leases bool, frame func(i int) []byte) (served, refused int, st Stats) {
	f := newAttackedFixture(t, leases)
	started, stop, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { ended <- f.attack(started, stop, frame) }()
	<-started
	served, refused = f.fetchAll(t, 10)
	close(stop)
	must(t, <-ended)
	s, r := f.fetchAll(t, 2)
	return served + s, refused + r, f.stop(t)
}

var (
	absentHost  = netip.MustParseAddr("10.20.77.77")
	absentPhone = netip.MustParseAddr("10.20.1.99")
)

// absentHosts are n hosts on the link that do not exist.
func absentHosts(i, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 20, byte(100 + i%n/250), byte(1 + i%n%250)})
}

// Requests from absent hosts, 5,000 a second, make the kernel wait for ARP with each reply. Phones are still served and refused, during
// and after the attack.
func TestF16RequestsOfAbsentHosts(t *testing.T) {
	port := func(i int) uint16 { return uint16(1024 + i%60000) }
	for name, frame := range map[string]func(i int) []byte{
		"one host, unknown file":     func(i int) []byte { return requestFrame(absentHost, port(i), "nofile.txt") },
		"one host, common file":      func(i int) []byte { return requestFrame(absentHost, port(i), "ringtone.wav") },
		"many hosts, guarded files":  func(i int) []byte { return requestFrame(absentHosts(i, 20000), 2000, fmt.Sprint("own", i)) },
		"many hosts, common file":    func(i int) []byte { return requestFrame(absentHosts(i, 20000), 2000, "ringtone.wav") },
		"absent phone, unknown file": func(i int) []byte { return requestFrame(absentPhone, port(i), "nofile.txt") },
		"absent phone, its file":     func(i int) []byte { return requestFrame(absentPhone, port(i), "own") },
	} {
		t.Run(name, func(t *testing.T) {
			served, refused, st := underAttack(t, true, frame)
			if served != 36 || refused != 36 || st.Limited == 0 {
				t.Errorf("%d of 36 files served, %d of 36 requests refused, %+v", served, refused, st)
			}
		})
	}
}

// Without leases ERROR packets for absent hosts are dropped when too many wait, and files are served.
func TestRefusalsNeverWait(t *testing.T) {
	served, _, st := underAttack(t, false, func(i int) []byte { return requestFrame(absentHosts(i, 250), uint16(1024+i%60000), "nofile.txt") })
	if served != 36 || st.RefusalsDropped == 0 {
		t.Errorf("%d of 36 files served, %+v", served, st)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contextUntilEOF returns a context that ends with r.
func contextUntilEOF(r io.Reader) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, r)
		stop()
	}()
	return ctx, stop
}
