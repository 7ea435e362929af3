package netif

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Watch calls changed whenever the kernel reports a change of links, IPv4 addresses or routes, until ctx ends, and once at the
// beginning, for what has changed before. It returns an error when the kernel refuses to send reports, or stops.
func Watch(ctx context.Context, within Namespace, changed func()) error {
	var sock *nl.NetlinkSocket
	err := within(func() (err error) {
		sock, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE)
		return err
	})
	if err != nil {
		return fmt.Errorf("subscribe to netlink: %w", err)
	}
	stop := context.AfterFunc(ctx, sock.Close)
	defer stop()
	changed()
	for {
		// The content of the messages does not matter: each is a reason to list the interfaces again.
		_, _, err := sock.Receive()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("receive from netlink: %w", err)
		}
		changed()
	}
}
