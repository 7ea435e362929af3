package bootclient

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"
)

// TFTP fetches files as RFC 1350, 2347, 2348 and 7440 describe it. Each fetch has a port of its own. Files aren't kept.
type TFTP struct {
	From    netip.Addr // may be invalid: any address of the host
	Server  netip.AddrPort
	Blksize int // 0: no option
	Window  int // blocks for each ACK; 0 or 1: no option
	buf     []byte
}

// TFTPError is an ERROR packet (RFC 1350, 5).
type TFTPError struct {
	Code uint16
	Text string
}

func (e *TFTPError) Error() string { return fmt.Sprintf("TFTP error %d %q", e.Code, e.Text) }

const (
	tftpTimeout = time.Second
	tftpTries   = 5
)

// Fetch returns the size of a file. Errors of the server are *TFTPError.
func (t *TFTP) Fetch(ctx context.Context, file string) (int64, error) {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(t.from(), 0)))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if need := max(512, t.Blksize) + 4; len(t.buf) < need {
		t.buf = make([]byte, need)
	}
	out := "\x00\x01" + file + "\x00octet\x00"
	if t.Blksize > 0 {
		out += "blksize\x00" + strconv.Itoa(t.Blksize) + "\x00"
	}
	if t.Window > 1 {
		out += "windowsize\x00" + strconv.Itoa(t.Window) + "\x00"
	}
	f := transfer{c: c, peer: t.Server, out: []byte(out), size: 512, window: 1}
	return f.run(t.buf)
}

func (t *TFTP) from() netip.Addr {
	if t.From.IsValid() {
		return t.From
	}
	return netip.IPv4Unspecified()
}

// transfer is a client's end of one TFTP transfer.
type transfer struct {
	c            *net.UDPConn
	peer         netip.AddrPort
	out          []byte // what was sent last
	size, window int
	block, acked uint16 // the last that was received in sequence, and acknowledged
	gap          bool   // the loss after block has been reported
	begun        bool   // the server has answered
	total        int64
}

func (f *transfer) run(buf []byte) (int64, error) {
	if _, err := f.c.WriteToUDPAddrPort(f.out, f.peer); err != nil {
		return 0, err
	}
	for try := 0; ; {
		if err := f.c.SetReadDeadline(time.Now().Add(tftpTimeout)); err != nil {
			return 0, err
		}
		n, sender, err := f.c.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && try < tftpTries:
			try++
			if f.begun {
				f.setACK(f.block)
			}
			_, err = f.c.WriteToUDPAddrPort(f.out, f.peer)
		case err == nil && n >= 4:
			f.peer, f.begun, try = sender, true, 0
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
func (f *transfer) receive(p []byte) (done bool, err error) {
	switch binary.BigEndian.Uint16(p) {
	case 5:
		text, _, _ := bytes.Cut(p[4:], []byte{0})
		return false, &TFTPError{Code: binary.BigEndian.Uint16(p[2:]), Text: string(text)}
	case 6:
		f.agree(p[2:])
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

// agree takes the options that the server has accepted, with its values (RFC 2347).
func (f *transfer) agree(options []byte) {
	fields := bytes.Split(options, []byte{0})
	for i := 0; i+1 < len(fields); i += 2 {
		n, err := strconv.Atoi(string(fields[i+1]))
		switch name := string(fields[i]); {
		case err != nil || n < 1:
		case name == "blksize":
			f.size = n
		case name == "windowsize":
			f.window = n
		}
	}
}

// setACK makes an ACK the next packet.
func (f *transfer) setACK(block uint16) {
	f.acked = block
	f.out = append(f.out[:0], 0, 4, byte(block>>8), byte(block))
}
