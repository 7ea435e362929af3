package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// pollEvery is how often interfaces are looked at even though the kernel said nothing of a change: its messages may get
// lost, and where it refuses to send them this is all there is.
const pollEvery = 15 * time.Second

// watch keeps the snapshot of interfaces and the listeners for other servers in step with the kernel, and asks for other
// servers from time to time.
func (s *Server) watch(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	bell := make(chan struct{}, 1)
	hear := &listeners{server: s, open: map[string]*listener{}}
	defer hear.close()
	hear.follow(ctx) // before anybody asks: it is the listeners who tell of the answers
	tasks.Go(func() { s.ring(ctx, bell) })
	if s.cfg.WatchEvery > 0 {
		tasks.Go(func() { s.patrol(ctx) })
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.look: // a reload may name other interfaces: their listeners begin at once
		case <-bell:
			s.rescan("the kernel told of a change")
			s.cfg.Observer.links()
		case <-poll.C:
			s.routes.forget()
			s.rescan("poll")
			s.cfg.Observer.links()
		}
		if s.raw != nil {
			s.raw.keep(s.links.now.Load())
		}
		hear.follow(ctx)
	}
}

// ring rings the bell whenever the kernel tells of a link, an address or a route.
func (s *Server) ring(ctx context.Context, bell chan<- struct{}) {
	var sock *nl.NetlinkSocket
	err := s.cfg.Within(func() (err error) {
		sock, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE)
		return err
	})
	if err != nil {
		s.cfg.Log.Warn("dhcp interfaces are polled: the kernel won't tell of changes", "every", pollEvery, "err", err)
		return
	}
	stop := context.AfterFunc(ctx, sock.Close)
	defer stop()
	for {
		// What the messages say does not matter: they are the reason to look.
		_, _, err := sock.Receive()
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			s.cfg.Log.Warn("dhcp interfaces are polled: netlink", "every", pollEvery, "err", err)
			return
		}
		s.routes.forget()
		select {
		case bell <- struct{}{}:
		default: // it is ringing
		}
	}
}

// rescan looks at the interfaces again and returns them.
func (s *Server) rescan(why string) *snapshot {
	changed, err := s.links.scan()
	if err != nil {
		s.cfg.Log.Warn("dhcp interfaces", "err", err)
	}
	if changed {
		s.cfg.Log.Debug("dhcp interfaces changed", "because", why)
	}
	return s.links.now.Load()
}

// guarded are the interfaces on which another server would be a rogue: none where we leave the leases to others.
func (u *inUse) guarded() map[string]bool {
	if u.engine != nil && !u.engine.Leases() {
		return nil
	}
	return u.names
}

// patrol asks on each link that is served whether other DHCP servers answer: once at start, then at intervals.
func (s *Server) patrol(ctx context.Context) {
	tick := time.NewTicker(s.cfg.WatchEvery)
	defer tick.Stop()
	for {
		var links sync.WaitGroup
		now := s.links.now.Load()
		for name := range s.use.Load().guarded() {
			if link := now.byName[name]; link != nil && link.up && !link.mac.IsZero() {
				links.Go(func() { s.lookAround(ctx, link) })
			}
		}
		links.Wait()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) lookAround(ctx context.Context, link *iface) {
	xid := newXID()
	s.asking.Store(xid, true)
	defer s.asking.Delete(xid)
	var sock *packetSocket
	err := s.cfg.Within(func() (err error) {
		sock, err = openPacket(link.index, unix.SOCK_RAW, etherIPv4, serverReplies())
		return err
	})
	if err == nil {
		defer sock.Close()
		// The listeners hear the answers too, and it is they that tell of them: asking is what matters.
		_, err = discover(ctx, sock, link, xid, 0)
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Debug("dhcp look for other servers", "iface", link.name, "err", err)
	}
}

// listeners hear what other servers send on the links that are served.
type listeners struct {
	server *Server
	open   map[string]*listener
	told   bool
}

type listener struct {
	sock *packetSocket
	done chan struct{}
}

// follow opens listeners on links that are new and closes those on links that are gone.
func (l *listeners) follow(ctx context.Context) {
	s := l.server
	names, now := s.use.Load().guarded(), s.links.now.Load()
	for name, a := range l.open {
		if link := now.byName[name]; !names[name] || link == nil || link.index != a.sock.ifindex || a.ended() {
			a.close()
			delete(l.open, name)
		}
	}
	for name := range names {
		link := now.byName[name]
		if link == nil || !link.up || link.mac.IsZero() || l.open[name] != nil || ctx.Err() != nil {
			continue
		}
		err := s.cfg.Within(func() error {
			sock, err := openPacket(link.index, unix.SOCK_RAW, etherIPv4, serverReplies())
			if err != nil {
				return err
			}
			a := &listener{sock: sock, done: make(chan struct{})}
			l.open[name] = a
			go func() {
				defer close(a.done)
				s.hear(a.sock, name)
			}()
			return nil
		})
		if err != nil && !l.told {
			s.cfg.Log.Warn("dhcp can't listen for other servers", "iface", name, "err", err)
			l.told = true
		}
	}
}

func (l *listeners) close() {
	for _, a := range l.open {
		a.close()
	}
}

func (a *listener) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

func (a *listener) close() {
	a.sock.Close()
	<-a.done
}

// hear reports what servers other than us send, until the socket is closed or its link is gone.
func (s *Server) hear(sock *packetSocket, name string) {
	defer s.recover()
	buf := make([]byte, packetSize)
	for {
		n, err := sock.Read(buf)
		if errors.Is(err, unix.ENETDOWN) {
			continue // said once when a link goes down; it hears again when it comes up
		}
		if err != nil {
			return
		}
		o, _, ok := parseForeign(buf[:n], name)
		now := s.links.now.Load()
		// A relay on the link sends our own replies with its hardware address; a second interface of ours may hear us.
		if !ok || now.owns(o.Server) || now.ownsMAC(o.MAC) {
			continue
		}
		s.cfg.Observer.foreign(o)
	}
}
