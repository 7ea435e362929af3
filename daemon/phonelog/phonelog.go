// Package phonelog connects the receiver of what phones log with the daemon's leases, records and timelines.
package phonelog

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
	"plugtone/provision/fleet"
	"plugtone/provision/syslog"
	"plugtone/provision/timeline"
)

// Observer records what was received. *observe.Observer implements it.
type Observer interface {
	Logged(e timeline.Entry)
	LogReceived(outcome string)
}

// Records are the records of phones, with the revision that each change raises.
type Records interface {
	fleet.Records
	Revision() uint64
}

// Config has the dependencies. All members must be set.
type Config struct {
	Listen    []netip.AddrPort
	Listening func(what, where string) // called for each socket
	LeaseAt   func(netip.Addr) (dhcp.Lease, bool)
	Records   Records
	Secrets   func(*fleet.Device) []string // of a device's files
	Observer  Observer
	Now       func() time.Time
	Log       *slog.Logger
}

// Run receives until ctx ends.
func (c Config) Run(ctx context.Context, ready func()) error {
	var conns []net.PacketConn
	for _, a := range c.Listen {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
		if err != nil {
			err = netif.ListenError("syslog", "udp", int(a.Port()), err)
			for _, open := range conns {
				err = errors.Join(err, open.Close())
			}
			return err
		}
		conns = append(conns, conn)
		c.Listening("syslog", conn.LocalAddr().String())
	}
	server := &syslog.Server{
		Conns: conns, LeaseAt: c.LeaseAt, Secrets: c.secrets, Generation: c.Records.Revision,
		Record: c.Observer.Logged, Counted: c.Observer.LogReceived, Now: c.Now, Log: c.Log,
	}
	return server.Run(ctx, ready)
}

// secrets returns the secrets of a phone's files; none without a record.
func (c Config) secrets(mac dhcp.MAC) []string {
	var d *fleet.Device
	err := c.Records.View(func(f fleet.View) (err error) {
		d, err = f.DeviceByAny(mac)
		return err
	})
	if err != nil {
		return nil
	}
	return c.Secrets(d)
}
