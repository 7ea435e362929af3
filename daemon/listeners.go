package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"plugtone/dhcp/netif"
)

// listeners lists the sockets that are open, for the status and the log.
type listeners struct {
	mu  sync.Mutex
	all []string
}

// add lists an open socket: tftp 127.0.0.1:69.
func (l *listeners) add(what, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, strings.TrimSpace(what+" "+where))
}

// list returns the open sockets in the order in which they were opened.
func (l *listeners) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// tcp opens all addresses, or none. Their servers limit how long a connection may be idle, so that the kernel need not look for hosts
// that are gone, which costs four system calls for each connection.
func (l *listeners) tcp(what string, addrs []netip.AddrPort) ([]net.Listener, error) {
	var all []net.Listener
	config := net.ListenConfig{KeepAlive: -1}
	for _, a := range addrs {
		open, err := config.Listen(context.Background(), "tcp4", a.String())
		if err != nil {
			return nil, errors.Join(netif.ListenError(what, "tcp", int(a.Port()), err), closeAll(all))
		}
		all = append(all, open)
		l.add(what, open.Addr().String())
	}
	return all, nil
}

func closeAll[T interface{ Close() error }](all []T) error {
	var errs []error
	for _, x := range all {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}
