package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/dhcp/netif"
)

// rogueScan looks for other DHCP servers on the links that are served: it listens to what they send, and sends DISCOVERs
// from time to time.
type rogueScan struct {
	server    *Server
	xids      sync.Map // transaction ids of this server's own DISCOVERs
	listeners map[string]*rogueListener
	warned    bool
}

// rogueListener receives other servers' replies on one link.
type rogueListener struct {
	sock *netif.PacketSocket
	done chan struct{}
}

func newRogueScan(s *Server) *rogueScan {
	return &rogueScan{server: s, listeners: map[string]*rogueListener{}}
}

// isOwn reports whether a DISCOVER with that transaction id was sent by a scan.
func (r *rogueScan) isOwn(xid [4]byte) bool {
	_, ok := r.xids.Load(xid)
	return ok
}

// scanLoop scans each link that is served: at start, then at intervals.
func (r *rogueScan) scanLoop(ctx context.Context, every time.Duration) {
	s := r.server
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var scans sync.WaitGroup
		now := s.links.snapshot()
		for name := range s.runtime.Load().guarded() {
			if link := now.ByName[name]; link != nil && link.Up && !link.MAC.IsZero() {
				scans.Go(func() { r.scan(ctx, link) })
			}
		}
		scans.Wait()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// scan sends DISCOVERs on a link. The link's listener receives the answers, too, and reports them.
func (r *rogueScan) scan(ctx context.Context, link *netif.Interface) {
	s, xid := r.server, newXID()
	r.xids.Store(xid, true)
	defer r.xids.Delete(xid)
	var sock *netif.PacketSocket
	err := s.cfg.InNetns(func() (err error) {
		sock, err = netif.OpenFrames(link.Index, serverReplies())
		return err
	})
	if err == nil {
		defer sock.Close()
		_, err = discover(ctx, sock, link, xid, 0)
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Debug("dhcp look for other servers", "iface", link.Name, "err", err)
	}
}

// follow opens listeners on links that are new and closes those on links that are gone.
func (r *rogueScan) follow(ctx context.Context) {
	s := r.server
	names, now := s.runtime.Load().guarded(), s.links.snapshot()
	for name, l := range r.listeners {
		if link := now.ByName[name]; !names[name] || link == nil || link.Index != l.sock.IfIndex() || l.ended() {
			l.close()
			delete(r.listeners, name)
		}
	}
	for name := range names {
		link := now.ByName[name]
		if link == nil || !link.Up || link.MAC.IsZero() || r.listeners[name] != nil || ctx.Err() != nil {
			continue
		}
		if err := r.listen(link); err != nil && !r.warned {
			s.cfg.Log.Warn("dhcp can't listen for other servers", "iface", name, "err", err)
			r.warned = true
		}
	}
}

// listen starts a listener on a link.
func (r *rogueScan) listen(link *netif.Interface) error {
	return r.server.cfg.InNetns(func() error {
		sock, err := netif.OpenFrames(link.Index, serverReplies())
		if err != nil {
			return err
		}
		l := &rogueListener{sock: sock, done: make(chan struct{})}
		r.listeners[link.Name] = l
		go func() {
			defer close(l.done)
			r.readReplies(sock, link.Name)
		}()
		return nil
	})
}

// readReplies reports what other servers send, until the socket is closed or its link is gone.
func (r *rogueScan) readReplies(sock *netif.PacketSocket, name string) {
	s := r.server
	defer s.recover()
	buf := make([]byte, packetSize)
	for {
		n, err := sock.Read(buf)
		if errors.Is(err, unix.ENETDOWN) {
			continue // reported once when a link goes down; packets arrive again when it is up
		}
		if err != nil {
			return
		}
		o, _, ok := parseReply(buf[:n], name)
		now := s.links.snapshot()
		// A relay on the link sends this server's replies with its own hardware address, and a second interface of this
		// host may receive what the first sends.
		if !ok || now.Owns(o.Server) || now.OwnsMAC(o.MAC) || s.cfg.Sharing().Has(o.Server) {
			continue
		}
		s.cfg.Observer.otherServer(o)
	}
}

func (r *rogueScan) close() {
	for _, l := range r.listeners {
		l.close()
	}
}

func (l *rogueListener) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *rogueListener) close() {
	l.sock.Close()
	<-l.done
}
