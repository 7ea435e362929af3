package cluster

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"plugtone/admin/merging"
	"plugtone/daemon/cluster/peers"
	"plugtone/dhcp/netif"
)

// addressEvery is how often the address that other members use is determined again.
const addressEvery = 10 * time.Second

// between is what this member and the others read from each other.
type between struct {
	m       *Cluster
	peers   *peers.Peers
	address atomic.Pointer[string]
}

// openBetween makes the part of m for the other members.
func openBetween(m *Cluster) error {
	pair, err := peers.LoadIdentity(m.cfg.DataDir)
	if err != nil {
		return err
	}
	m.between = &between{m: m, peers: peers.New(peers.Config{Name: m.cfg.Cluster.Name, Pair: pair, Keys: m.keys, Members: m.members.List, Log: m.cfg.Log})}
	return nil
}

// registered returns the address and the certificate that others use.
func (b *between) registered() (address, certificate string) {
	if b == nil {
		return "", ""
	}
	if a := b.address.Load(); a != nil {
		address = *a
	}
	return address, b.peers.Certificate()
}

// listen opens cluster.listen.
func (b *between) listen(ctx context.Context) (net.Listener, error) {
	a := b.m.cfg.Cluster.Listen
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", a.String())
	if err != nil {
		return nil, netif.ListenError("cluster", "tcp", int(a.Port()), err)
	}
	b.locate(ctx, l)
	return l, nil
}

// locate determines the address that others use.
func (b *between) locate(ctx context.Context, l net.Listener) {
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return // a TCP listener has an address and a port
	}
	a := peers.Address(ctx, b.m.cfg.Cluster.Advertise, b.m.cfg.Cluster.Etcd.Endpoints, at)
	b.address.Store(&a)
	b.m.members.SetSelf(b.m.self())
}

// run answers other members until ctx ends. It calls failed when it can't any more.
func (b *between) run(ctx context.Context, l net.Listener, failed context.CancelCauseFunc) {
	answering := make(chan error, 1)
	go func() { answering <- b.peers.Serve(ctx, l) }()
	tick := time.NewTicker(addressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-answering:
			if err != nil {
				failed(err)
			}
			return
		case <-tick.C:
			b.locate(ctx, l)
		}
	}
}

// failure returns why ctx ended when no one cancelled it.
func failure(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Others returns the other members for the API; nil on a single appliance.
func (m *Cluster) Others() merging.Members {
	if m == nil {
		return nil
	}
	return m.between.peers
}

// Answer makes h answer what other members read. Their caller is in the context.
func (m *Cluster) Answer(h http.Handler) {
	if m != nil {
		m.between.peers.Answer(h)
	}
}

// NonceKey returns the secret that signs what phones are challenged with, the same on all members; nil on a single appliance.
func (m *Cluster) NonceKey() []byte {
	if m == nil {
		return nil
	}
	return m.keys.Derive("HTTP nonces")
}
