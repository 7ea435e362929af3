package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Impairment is what a lossy link does to each frame, in both directions.
type Impairment struct {
	Delay time.Duration // before it arrives
	Loss  float64       // the share of frames that do not, from 0 to 1
	Seed  uint64        // the same seed loses the same frames
}

// LossyLink joins two ports by a cable that delays frames and loses some, as tc's netem does, which not every kernel has. A
// goroutine for each direction copies the frames between packet sockets, until the lab closes.
func (l *Lab) LossyLink(a, b Port, how Impairment) error {
	cable, err := l.Namespace(fmt.Sprintf("cable %s %s", a.Namespace.name, b.Namespace.name))
	if err != nil {
		return err
	}
	var ends [2]*os.File
	for i, p := range []Port{a, b} {
		own := fmt.Sprintf("end%d", i)
		if err := l.Link(p, Port{Namespace: cable, Name: own, MTU: p.MTU}); err != nil {
			return err
		}
		// Else frames would pass without checksums, and several as one.
		if err := p.Namespace.Do(func() error { return noChecksumOffload(p.Name) }); err != nil {
			return fmt.Errorf("port %s of %s: %w", p.Name, p.Namespace.name, err)
		}
		if err := cable.Do(func() (err error) { ends[i], err = packetSocket(own); return err }); err != nil {
			return fmt.Errorf("%s: %w", cable.name, err)
		}
		l.mu.Lock()
		l.closers = append(l.closers, ends[i])
		l.mu.Unlock()
	}
	go how.carry(ends[0], ends[1], rand.New(rand.NewPCG(how.Seed, 0)))
	go how.carry(ends[1], ends[0], rand.New(rand.NewPCG(how.Seed, 1)))
	return nil
}

// carry copies frames until one of the ends is closed.
func (i Impairment) carry(from io.Reader, to io.Writer, r *rand.Rand) {
	type frame struct {
		due  time.Time
		data []byte
	}
	const capacity = 10_000 // frames in flight; more are lost
	queue := make(chan frame, capacity)
	defer close(queue)
	go func() {
		for f := range queue {
			time.Sleep(time.Until(f.due))
			_, _ = to.Write(f.data) // as good as lost
		}
	}()
	for buf := make([]byte, 65536); ; {
		n, err := from.Read(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil || r.Float64() < i.Loss:
			continue
		}
		select {
		case queue <- frame{time.Now().Add(i.Delay), append([]byte(nil), buf[:n]...)}:
		default:
		}
	}
}

// packetSocket opens a socket that reads and writes the frames of an interface.
func packetSocket(iface string) (*os.File, error) {
	in, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: in.Index}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket on %s: %w", iface, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), iface), nil
}

// noChecksumOffload makes the kernel complete frames before they leave an interface of the calling thread's namespace.
func noChecksumOffload(iface string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := [2]uint32{unix.ETHTOOL_STXCSUM, 0}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], iface)
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if e != 0 {
		return fmt.Errorf("checksum offload of %s: %w", iface, e)
	}
	return nil
}
