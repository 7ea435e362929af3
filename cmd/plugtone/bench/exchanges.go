package main

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
	"plugtone/dhcp/netif"
)

// traffic is a load of DHCP clients that begins so many exchanges a second, however the server keeps up.
type traffic struct {
	Kind   string // relay: new clients behind a relay; direct: new clients on the link; renew: clients that have a lease; mix: two, two and one of five
	Rate   int    // exchanges a second
	Period time.Duration
	Class  string // option 60; "": none
}

// exchanged is what became of a traffic. A reply's time counts from when its message was to be sent, also when the generator was late: so a
// server that stops for a while is charged for all clients that waited. It ends when the kernel received the reply.
type exchanged struct {
	Begun, Done  int
	Offer, Ack   [3]time.Duration // median, 99th percentile, longest
	All          [3]time.Duration // of offers and ACKs
	Late         [3]time.Duration // how late messages were sent
	offers, acks []time.Duration
	Unexpected   int // NAKs and other replies, and messages that could not be sent
}

// serverMAC is the hardware address of the measured server.
var serverMAC = dhcp.MAC{2, 0, 0, 0, 0, 1}

// exchanges are the clients of one traffic. Client n has the transaction n + 1.
type exchanges struct {
	traffic
	link   *netif.PacketSocket // of the clients on the link
	linkFD int                 // its descriptor, read with waiting: the generator is to cost little
	relay  int                 // UDP socket of the relay
	due    []int64
	step   []byte // what a client has sent last: discover, request or nothing

	mu  sync.Mutex
	out exchanged
}

// run generates the traffic and returns what became of it.
func (t traffic) run() (exchanged, error) {
	x := &exchanges{traffic: t}
	if err := x.open(); err != nil {
		return exchanged{}, err
	}
	for _, fd := range []int{x.relay, x.linkFD} {
		go x.receive(fd)
	}
	late := x.begin()
	time.Sleep(time.Second) // the last replies
	x.mu.Lock()
	defer x.mu.Unlock()
	o := &x.out
	o.Begun, o.Late = len(x.due), quantiles(late)
	o.Offer, o.Ack, o.All = quantiles(o.offers), quantiles(o.acks), quantiles(append(o.offers, o.acks...))
	return *o, nil
}

func (x *exchanges) open() (err error) {
	total := int(x.Period.Seconds() * float64(x.Rate))
	x.due, x.step = make([]int64, total), make([]byte, total)
	if x.link, err = bootclient.OpenLink("eth0"); err != nil {
		return err
	}
	x.linkFD = int(x.link.Fd())
	if x.relay, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0); err != nil {
		return err
	}
	return errors.Join(unix.SetNonblock(x.linkFD, false), unix.SetsockoptInt(x.relay, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptInt(x.relay, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1), unix.SetsockoptInt(x.linkFD, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.Bind(x.relay, &unix.SockaddrInet4{Port: bootclient.ServerPort, Addr: clientAddr.As4()}))
}

// kind returns what client n does.
func (x *exchanges) kind(n int) string {
	if x.Kind == "mix" {
		return [5]string{"relay", "direct", "renew", "relay", "direct"}[n%5]
	}
	return x.Kind
}

// begin sends the first message of each client when it is due, and returns how late each was.
func (x *exchanges) begin() (late []time.Duration) {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // it would sleep 50 µs too long
	start := time.Now().Add(100 * time.Millisecond).UnixNano()
	for n := range x.due {
		x.due[n] = start + int64(n)*int64(time.Second)/int64(x.Rate)
	}
	held := firstHeld
	for n, due := range x.due {
		for wait := due - time.Now().UnixNano(); wait > 0; wait = due - time.Now().UnixNano() {
			t := unix.NsecToTimespec(wait)
			_ = unix.Nanosleep(&t, nil) // it was interrupted: the loop goes on
		}
		late = append(late, time.Duration(time.Now().UnixNano()-due))
		if x.kind(n) == "renew" {
			x.step[n] = bootclient.Request
			x.send(n, bootclient.Request, held, netip.Addr{})
			held = nextHeld(held)
		} else {
			x.step[n] = bootclient.Discover
			x.send(n, bootclient.Discover, netip.Addr{}, netip.Addr{})
		}
	}
	return late
}

// send sends a message of client n: addr is what it renews or accepts, server who offered that.
func (x *exchanges) send(n int, kind byte, addr, server netip.Addr) {
	m := bootclient.Message{Type: kind, XID: uint32(n + 1), MAC: dhcp.MAC{0, 0x0c, 1, byte(n >> 16), byte(n >> 8), byte(n)}, Class: x.Class, Params: []uint8{1, 3, 6, 15, 42, 66}}
	if server.IsValid() {
		m.Requested, m.Server = addr, server
	}
	var err error
	switch x.kind(n) {
	case "relay":
		m.Relay = clientAddr
		var b [400]byte
		err = unix.Sendto(x.relay, m.Append(b[:0]), 0, &unix.SockaddrInet4{Port: bootclient.ServerPort, Addr: serverAddr.As4()})
	case "renew":
		m.Addr, m.MAC = addr, heldMAC(addr)
		err = bootclient.SendOnLink(x.link, &m, addr, netif.Endpoint{MAC: serverMAC, Addr: serverAddr})
	default:
		err = bootclient.SendOnLink(x.link, &m, netip.IPv4Unspecified(), netif.Endpoint{MAC: netif.BroadcastMAC, Addr: netif.BroadcastAddr})
	}
	if err != nil {
		x.unexpected()
	}
}

func (x *exchanges) unexpected() {
	x.mu.Lock()
	x.out.Unexpected++
	x.mu.Unlock()
}

// receive takes the replies from one socket for as long as this process lives.
func (x *exchanges) receive(fd int) {
	buf, control := make([]byte, 2048), make([]byte, 64)
	for {
		n, used, _, _, err := unix.Recvmsg(fd, buf, control, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return // the run shows losses
		}
		p := buf[:n]
		if fd == x.linkFD {
			p = p[min(14+20+8, n):]
		}
		if h, ok := bootclient.ParseReply(p); ok {
			x.reply(h, stamp(control[:used]))
		}
	}
}

// stamp returns when the kernel received a packet, in nanoseconds since 1970.
func stamp(control []byte) int64 {
	h, data, _, err := unix.ParseOneSocketControlMessage(control)
	if err != nil || h.Type != unix.SO_TIMESTAMPNS || len(data) < 16 {
		return time.Now().UnixNano()
	}
	return int64(binary.NativeEndian.Uint64(data))*int64(time.Second) + int64(binary.NativeEndian.Uint64(data[8:]))
}

// reply takes one reply, and sends what follows on an OFFER.
func (x *exchanges) reply(h bootclient.Reply, at int64) {
	n := int(h.XID) - 1
	if n < 0 || n >= len(x.due) {
		return
	}
	switch step, took := x.step[n], time.Duration(at-x.due[n]); {
	case h.Type == bootclient.Offer && step == bootclient.Discover:
		x.mu.Lock()
		x.out.offers = append(x.out.offers, took)
		x.mu.Unlock()
		x.step[n], x.due[n] = bootclient.Request, time.Now().UnixNano()
		x.send(n, bootclient.Request, h.Addr, h.Server)
	case h.Type == bootclient.Ack && step == bootclient.Request:
		x.step[n] = bootclient.Ack
		x.mu.Lock()
		x.out.acks = append(x.out.acks, took)
		x.out.Done++
		x.mu.Unlock()
	default:
		x.unexpected()
	}
}

// quantiles returns the median, the 99th percentile and the longest of some times.
func quantiles(times []time.Duration) (q [3]time.Duration) {
	if n := len(times); n > 0 {
		slices.Sort(times)
		q = [3]time.Duration{times[n/2], times[n*99/100], times[n-1]}
	}
	return q
}
