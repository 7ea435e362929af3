package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp/netif"
)

// floodRate makes this test binary send forged packets on eth0, so many a second, until it is killed.
const floodRate = "PLUGTONE_TEST_FLOOD_RATE"

// flood sends in bursts of a millisecond.
func flood(rate string) error {
	perSecond, err := strconv.Atoi(rate)
	if err != nil {
		return err
	}
	ifi, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	to := &unix.SockaddrLinklayer{Ifindex: ifi.Index, Halen: 6}
	frames := make([][]byte, 1<<16)
	for n := range frames {
		frames[n] = forgedFrame(n)
	}
	tick := time.NewTicker(time.Millisecond)
	began, sent := time.Now(), 0
	for now := range tick.C {
		for due := int(now.Sub(began).Seconds() * float64(perSecond)); sent < due; sent++ {
			// ENOBUFS: the link is slower than the rate.
			if err := unix.Sendto(fd, frames[sent%len(frames)], 0, to); err != nil && err != unix.ENOBUFS {
				return err
			}
		}
	}
	return nil
}

// BenchmarkRenewalsBesideFlood reports which part of the renewals has no reply beside a flood of forged packets, and how
// many packets a second the server received, with its own receive buffer and with Linux's default. There are 100 renewals a second, of
// 150 phones in turn.
func BenchmarkRenewalsBesideFlood(b *testing.B) {
	for _, rate := range []int{0, 10_000, 100_000} {
		for _, buffer := range []int{readBuffer, 208 << 10} {
			b.Run(fmt.Sprint(rate, "/s/", buffer>>10, "KiB"), func(b *testing.B) { benchmarkFlood(b, rate, buffer) })
		}
	}
}

func benchmarkFlood(b *testing.B, rate, buffer int) {
	const phones = 150
	f := newWireFixture(b)
	f.ok(f.server.sock.setBuffer(buffer))
	var leased [phones][4]byte
	for n := range leased {
		leased[n] = f.clients.bind(b, byte(60+n))
	}
	attacker := f.host("attacker", "eth0", "02:00:00:00:00:0a")
	if rate > 0 {
		cmd := attacker.Command(context.Background(), os.Args[0])
		cmd.Env = append(os.Environ(), floodRate+"="+strconv.Itoa(rate))
		f.ok(cmd.Start())
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
	}
	acks := make(chan struct{}, b.N)
	go countAcks(f.phoneFrames(), acks)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	f.packets.Store(0)
	b.ResetTimer()
	for n := range b.N {
		<-tick.C
		a := leased[n%phones]
		f.clients.sendUnicast(f.clients.message(byte(60+n%phones), tRequest, ciaddr(a)), a)
	}
	b.StopTimer()
	b.ReportMetric(float64(f.packets.Load())/b.Elapsed().Seconds(), "packets/s")
	seen := 0
	for timeout := time.After(3 * time.Second); seen < b.N; seen++ {
		select {
		case <-acks:
			continue
		case <-timeout:
		}
		break
	}
	b.ReportMetric(100*float64(b.N-seen)/float64(b.N), "%lost")
	b.ReportMetric(0, "ns/op")
}

// phoneFrames receives the frames for phones; the replies to the flood would fill a socket that receives all.
func (f *wireFixture) phoneFrames() *netif.PacketSocket {
	f.t.Helper()
	var sock *netif.PacketSocket
	f.ok(f.clients.host.Do(func() (err error) {
		sock, err = netif.OpenFrames(f.clients.tap.ifindex, []bpf.Instruction{
			bpf.LoadAbsolute{Off: 0, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x00156500, SkipTrue: 1},
			bpf.RetConstant{Val: packetSize},
			bpf.RetConstant{Val: 0},
		})
		return err
	}))
	f.t.Cleanup(func() { sock.Close() })
	return sock
}

// countAcks puts a token into acks for each frame with an ACK.
func countAcks(sock *netif.PacketSocket, acks chan<- struct{}) {
	for buf := make([]byte, packetSize); ; {
		n, err := sock.Read(buf)
		if err != nil {
			return
		}
		if m, ok := readBootp(buf[min(42, n):n]); ok && m.kind() == tAck {
			acks <- struct{}{}
		}
	}
}
