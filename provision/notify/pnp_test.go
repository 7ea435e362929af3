package notify

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
)

func TestPanicEndsWithItsPacket(t *testing.T) {
	var log strings.Builder
	called := false
	r := &Responder{Log: slog.New(slog.NewTextHandler(&log, nil)), URL: func(Subscription) (dhcp.MAC, string, error) { called = true; panic("oops") }}
	from := netip.MustParseAddrPort("127.0.0.1:5060")
	r.handle([]byte(probeRequest(from).String()), 1, from) // 1: the loopback interface
	if !called || !strings.Contains(log.String(), "oops") {
		t.Errorf("called %v, log %q", called, log.String())
	}
}

// TestSocketThatFailsIsOpenedAgain: a responder that can't listen does not end, and says why.
func TestSocketThatFailsIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried, ready := 0, 0
		var state error
		r := &Responder{
			Interfaces: func() []string { return nil }, Log: slog.New(slog.DiscardHandler), Now: time.Now, State: func(err error) { state = err },
			listen: func(context.Context) (net.PacketConn, error) { tried++; return nil, errors.New("address in use") },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx, func() { ready++ }) }()
		time.Sleep(2*retryEvery + time.Second)
		synctest.Wait()
		if tried != 3 || ready != 1 || state == nil {
			t.Errorf("tried %d times, ready %d times, state %v", tried, ready, state)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestRepeatedSubscribesAreReportedOnce: any host on the link can send them in the name of a phone.
func TestRepeatedSubscribesAreReportedOnce(t *testing.T) {
	now, reports := time.Unix(1_700_000_000, 0), 0 // long ago: the answer to the NOTIFY is not waited for
	phone := dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
	r := &Responder{
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, reported: lru.New[dhcp.MAC, time.Time](reportedPhones),
		URL:      func(Subscription) (dhcp.MAC, string, error) { return phone, "http://10.20.0.2/", nil },
		Answered: func(dhcp.MAC, Subscription, string) { reports++ },
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	from := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	send := func() { r.handle([]byte(probeRequest(from).String()), 1, from) }
	for range 5 {
		send()
	}
	if reports != 1 {
		t.Errorf("%d reports, want 1", reports)
	}
	now = now.Add(reportEvery)
	send()
	if reports != 2 {
		t.Errorf("%d reports after ten minutes, want 2", reports)
	}
}
