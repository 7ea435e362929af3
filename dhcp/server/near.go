package server

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// nearSender sends datagrams to hosts on attached links that have their address. While the kernel looks for such a host by ARP
// it keeps what is for it, seconds long when there is none, and that counts against the buffer of the socket it was sent by:
// requests in the name of nobody must not use up the room for everybody else's replies. It receives nothing.
type nearSender struct{ file *os.File }

// openNear needs CAP_NET_RAW.
func openNear() (*nearSender, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw IP socket: %w", err)
	}
	return &nearSender{os.NewFile(uintptr(fd), "raw IP")}, nil
}

// send sends at once or not at all, out of the interface with that index; 0 leaves it to the kernel.
func (n *nearSender) send(to netip.AddrPort, from netip.Addr, index int, payload []byte) error {
	conn, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	f := frame{src: endpoint{addr: from, port: dhcp.ServerPort}, dst: endpoint{addr: to.Addr(), port: to.Port()}, payload: payload}
	packet := f.appendPacket(make([]byte, 0, ipLen+udpLen+len(payload)), 0)
	var sent error
	err = conn.Control(func(fd uintptr) {
		sent = sendNow(int(fd), packet, pktinfo(index, from), to)
	})
	return errors.Join(err, sent)
}

func (n *nearSender) close() error { return n.file.Close() }

// sendNow does not wait for room in the socket's buffer.
func sendNow(fd int, b, oob []byte, to netip.AddrPort) error {
	_, err := unix.SendmsgN(fd, b, oob, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, unix.MSG_DONTWAIT)
	return os.NewSyscallError("sendmsg", err)
}
