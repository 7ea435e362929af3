package server

import (
	"log/slog"
	"sync/atomic"

	"plugtone/dhcp/netif"
)

// linkState keeps the newest snapshot of this host's interfaces.
type linkState struct {
	lister *netif.Lister
	log    *slog.Logger
	now    atomic.Pointer[netif.Snapshot]
}

// open takes the first snapshot.
func (l *linkState) open() error {
	var err error
	if l.lister, err = netif.NewLister(); err != nil {
		return err
	}
	now, err := l.lister.List()
	if err != nil {
		l.lister.Close()
		return err
	}
	l.now.Store(now)
	return nil
}

// snapshot returns the newest snapshot.
func (l *linkState) snapshot() *netif.Snapshot { return l.now.Load() }

// refresh lists the interfaces again and returns the newest snapshot.
func (l *linkState) refresh(reason string) *netif.Snapshot {
	now, err := l.lister.List()
	if err != nil {
		l.log.Warn("dhcp interfaces", "err", err)
		return l.now.Load()
	}
	if !now.Equal(l.now.Load()) {
		l.now.Store(now)
		l.log.Debug("dhcp interfaces changed", "because", reason)
	}
	return l.now.Load()
}

func (l *linkState) close() { l.lister.Close() }
