package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load is what the phones do. They are written from the RFCs, with nothing of plugtone's, and do as little as they can:
// they share the machine with the server.
type load struct {
	Kind    string // tftp, http
	Server  string
	Clients int
	Phones  int
	Blksize int    // 0: no options
	Window  int    // TFTP: blocks for each ACK; 0 or 1: lock-step
	Keep    bool   // HTTP: connections are kept
	File    string // "": each phone its own file
	Period  time.Duration
}

// loaded is what became of it.
type loaded struct {
	Files, Failed int
	Bytes         int64
	Took          time.Duration
	P50, P99      time.Duration
	Why           string // the first failure
}

// phoneAddr and phoneFile are those of phone n, from 0; each device on record has a lease there.
func phoneAddr(n int) netip.Addr {
	third := 1 + n/250
	return netip.AddrFrom4([4]byte{10, byte(third >> 8), byte(third), byte(1 + n%250)})
}

func phoneMAC(n int) [6]byte {
	m := [6]byte{0x00, 0x15, 0x65}
	m[3], m[4], m[5] = byte(n>>16), byte(n>>8), byte(n)
	return m
}

func phoneFile(n int) string { return fmt.Sprintf("%x.cfg", phoneMAC(n)) }

// generate runs the load that spec describes and prints what became of it.
func generate(spec string) error {
	var l load
	if err := json.Unmarshal([]byte(spec), &l); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(l.run())
}

// run has the phones send requests until the period ends.
func (l *load) run() (all loaded) {
	var mu sync.Mutex
	var times []time.Duration
	var clients sync.WaitGroup
	started := time.Now()
	for c := range l.Clients {
		clients.Go(func() {
			own, took := l.client(c, started.Add(l.Period))
			mu.Lock()
			defer mu.Unlock()
			all.Files += own.Files
			all.Failed += own.Failed
			all.Bytes += own.Bytes
			if all.Why == "" {
				all.Why = own.Why
			}
			times = append(times, took...)
		})
	}
	clients.Wait()
	all.Took = time.Since(started)
	slices.Sort(times)
	if n := len(times); n > 0 {
		all.P50, all.P99 = times[n/2], times[n*99/100]
	}
	return all
}

// client plays phones c, c+Clients, c+2·Clients ... one after the other, again and again.
func (l *load) client(c int, until time.Time) (out loaded, times []time.Duration) {
	type phone struct {
		file string
		get  func(file string) (int64, error)
	}
	var mine []phone
	for n := c; n < max(l.Phones, l.Clients); n += l.Clients {
		p := phone{file: phoneFile(n), get: l.tftp(phoneAddr(n))}
		if l.Kind == "http" {
			p.get = l.http(phoneAddr(n))
		}
		if l.File != "" {
			p.file = l.File
		}
		mine = append(mine, p)
	}
	for i := 0; time.Now().Before(until); i++ {
		p := mine[i%len(mine)]
		started := time.Now()
		n, err := p.get(p.file)
		if err != nil {
			out.Failed++
			if out.Why == "" {
				out.Why = fmt.Sprintf("%s: %v", p.file, err)
			}
			continue
		}
		out.Files++
		out.Bytes += n
		times = append(times, time.Since(started))
	}
	return out, times
}

// tftp returns a fetch as RFC 1350, 2347 and 7440 describe it, from one address. Each fetch has a port of its own.
func (l *load) tftp(from netip.Addr) func(string) (int64, error) {
	to := netip.AddrPortFrom(netip.MustParseAddr(l.Server), 69)
	size := 512
	options := ""
	if l.Blksize > 0 {
		size, options = l.Blksize, "blksize\x00"+strconv.Itoa(l.Blksize)+"\x00"
	}
	if l.Window > 1 {
		options += "windowsize\x00" + strconv.Itoa(l.Window) + "\x00"
	}
	buf := make([]byte, size+4)
	return func(file string) (int64, error) {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
		if err != nil {
			return 0, err
		}
		defer c.Close()
		f := fetch{c: c, peer: to, out: []byte("\x00\x01" + file + "\x00octet\x00" + options), size: size, window: max(l.Window, 1)}
		return f.run(buf)
	}
}

// fetch is a client's end of one TFTP transfer.
type fetch struct {
	c            *net.UDPConn
	peer         netip.AddrPort
	out          []byte // what was sent last
	size, window int
	block, acked uint16 // the last that was received in sequence, and acknowledged
	gap          bool   // the loss after block has been reported
	total        int64
}

func (f *fetch) run(buf []byte) (int64, error) {
	if _, err := f.c.WriteToUDPAddrPort(f.out, f.peer); err != nil {
		return 0, err
	}
	for try := 0; ; {
		if err := f.c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return 0, err
		}
		n, sender, err := f.c.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && try < 5:
			try++
			if f.total > 0 {
				f.setACK(f.block)
			}
			_, err = f.c.WriteToUDPAddrPort(f.out, f.peer)
		case err == nil && n >= 4:
			f.peer, try = sender, 0
			var done bool
			if done, err = f.receive(buf[:n]); done {
				return f.total, err
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// receive takes a packet, and answers it when a window is complete or has a gap.
func (f *fetch) receive(p []byte) (done bool, err error) {
	switch binary.BigEndian.Uint16(p) {
	case 5:
		return false, fmt.Errorf("error %q", p)
	case 6:
		f.setACK(0)
	case 3:
		switch n := binary.BigEndian.Uint16(p[2:]) - f.block; {
		case n == 1:
			f.block++
			f.gap = false
			f.total += int64(len(p) - 4)
			done = len(p)-4 < f.size
			if !done && int(f.block-f.acked) < f.window {
				return false, nil
			}
		case n > 1 && int(n) <= f.window && !f.gap:
			f.gap = true
		default:
			return false, nil
		}
		f.setACK(f.block)
	default:
		return false, nil
	}
	_, err = f.c.WriteToUDPAddrPort(f.out, f.peer)
	return done, err
}

// setACK makes an ACK the next packet.
func (f *fetch) setACK(block uint16) {
	f.acked = block
	f.out = append(f.out[:0], 0, 4, byte(block>>8), byte(block))
}

// http returns a fetch over HTTP/1.1 from one address.
func (l *load) http(from netip.Addr) func(string) (int64, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	end := "\r\n\r\n"
	if !l.Keep {
		end = "\r\nConnection: close\r\n\r\n"
	}
	var conn net.Conn
	r := bufio.NewReaderSize(nil, 64<<10)
	fetch := func(file string) (int64, error) {
		if conn == nil {
			var err error
			if conn, err = d.Dial("tcp4", l.Server+":80"); err != nil {
				return 0, err
			}
			r.Reset(conn)
		}
		if _, err := io.WriteString(conn, "GET /"+file+" HTTP/1.1\r\nHost: "+l.Server+end); err != nil {
			return 0, err
		}
		return response(r, "200")
	}
	return func(file string) (int64, error) {
		n, err := fetch(file)
		if conn != nil && (err != nil || !l.Keep) {
			_ = conn.Close()
			conn = nil
		}
		return n, err
	}
}

// response reads one whole answer, which must have a length and a status that begins as given.
func response(r *bufio.Reader, status string) (int64, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if _, rest, _ := strings.Cut(line, " "); !strings.HasPrefix(rest, status) {
		return 0, fmt.Errorf("answer %q", line)
	}
	length := -1
	for {
		h, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(h) <= 2 {
			break
		}
		if name, value, ok := strings.Cut(string(h), ":"); ok && strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("answer without a length")
	}
	n, err := r.Discard(length)
	return int64(n), err
}
