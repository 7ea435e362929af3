package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"plugtone/admin"
	"plugtone/admin/api"
	"plugtone/daemon/prepare"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/netif"
	"plugtone/httpprov"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/tftp"
)

// transferGrace is how long running transfers may go on when the daemon stops.
const transferGrace = 5 * time.Second

// snapshotEvery is how often the records are copied to backups/.
const snapshotEvery = time.Hour

// servers runs the parts that have sockets, and the snapshots.
type servers struct{ d *Daemon }

func (s servers) dhcp(ctx context.Context, ready func()) error {
	return s.d.dhcp.Run(ctx, func() {
		s.d.listeners.add("dhcp", strings.Join(s.d.first.interfaces(), " "))
		ready()
	})
}

func (s servers) tftp(ctx context.Context, ready func()) error {
	var conns []net.PacketConn
	for _, a := range s.d.first.cfg.TFTP.Listen {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
		if err != nil {
			return errors.Join(netif.ListenError("tftp", "udp", int(a.Port()), err), closeAll(conns))
		}
		conns = append(conns, conn)
		s.d.listeners.add("tftp", conn.LocalAddr().String())
	}
	server, err := tftp.New(tftp.Config{Conns: conns, Now: s.d.opts.Now, Log: s.d.log, Allow: s.d.serves, Leased: s.d.leased(), Grace: transferGrace}, s.d.service, s.d.observe.Answered)
	if err != nil {
		return errors.Join(err, closeAll(conns))
	}
	s.d.tftp.Store(server)
	return server.Run(ctx, ready)
}

// refusalsDropped returns the counter of ERROR packets that the TFTP server did not send.
func refusalsDropped(s *atomic.Pointer[tftp.Server]) prometheus.CounterFunc {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "plugtone_tftp_refusals_dropped_total",
		Help: "TFTP ERROR packets that were not sent, because too many wait for hosts that do not answer ARP."}, func() float64 {
		if s := s.Load(); s != nil {
			return float64(s.Stats().RefusalsDropped)
		}
		return 0
	})
}

// leased returns the function by which the file servers check whether an address is leased to a phone; nil when none are leased here.
func (d *Daemon) leased() func(netip.Addr) bool {
	if c := d.first.cfg.DHCP; c.Mode != dhcp.ModeServe {
		return nil
	}
	return func(a netip.Addr) bool {
		l, ok := d.table.LeaseAt(a)
		return ok && l.Phone
	}
}

func (s servers) files(ctx context.Context, ready func(), what string, addrs []netip.AddrPort, t *tls.Config) error {
	listeners, err := s.d.listeners.tcp(what, addrs)
	if err != nil {
		return err
	}
	server, err := httpprov.New(httpprov.Config{Listeners: listeners, TLS: t, ClientCAs: s.d.certs.phones.Load, Leased: s.d.leased(), Handshake: s.d.observe.Handshake, ClockWrong: func() bool { return leasetable.ClockWrong(s.d.table) }, Now: s.d.opts.Now, Log: s.d.log, Grace: transferGrace}, s.d.service, s.d.observe.Answered)
	if err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	return server.Run(ctx, ready)
}

// metrics serves /metrics, and nothing else, on the configured addresses.
func (s servers) metrics(ctx context.Context, ready func()) error {
	listeners, err := s.d.listeners.tcp("metrics", s.d.first.cfg.Metrics.Listen)
	if err != nil {
		return err
	}
	metrics := promhttp.HandlerFor(s.d.metrics.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	server := &http.Server{Handler: admin.MetricsHandler(s.d.hostNames, metrics), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- server.Serve(l) }()
	}
	ready()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	return errors.Join(err, server.Close())
}

// preparedBytes is how much is rendered after the start: most of the cache (provision.Config.Cache), about 2,500 files of 10 kB.
const preparedBytes = 24 << 20

// prepare renders the files of the phones that fetched last, once.
func (s servers) prepare(ctx context.Context, ready func()) error {
	ready()
	began := s.d.opts.Now()
	c := prepare.Config{Fetches: s.d.store, Answerer: s.d.service, LastPhone: s.d.observe.LastPhone, Now: s.d.opts.Now, Bytes: preparedBytes}
	switch n, err := c.Run(ctx); {
	case err != nil:
		s.d.log.Warn("files are rendered only when phones request them", "err", err)
	case ctx.Err() == nil:
		s.d.log.Debug("files rendered", "files", n, "dur", s.d.opts.Now().Sub(began))
	}
	<-ctx.Done()
	return nil
}

// snapshots copies the records at start of each hour of running.
func (s servers) snapshots(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(snapshotEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.d.store.Snapshot(); err != nil {
				s.d.log.Error("snapshot of the records", "err", err)
			}
		}
	}
}

// preview returns a renderer of the files that phones would get from other records than the daemon's. It records nothing.
func (d *Daemon) preview(records fleet.Records) (impact.Renderer, error) {
	return provision.New(provision.Config{
		Records: records, Leases: d.table, Packs: d.packs, Site: d.site, Fetches: d.store.Fetches, Files: d.files, Uploads: d.uploads, Now: d.opts.Now,
	})
}

func (s servers) admin(ctx context.Context, ready func()) error {
	c := s.d.first.cfg
	var listen []string
	for _, a := range c.Admin.Listen {
		listen = append(listen, a.String())
		// systemd makes /run/plugtone; started by hand there is none.
		if a.Unix == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(a.Unix), 0o755); err != nil {
			return fmt.Errorf("folder of the admin socket: %w\nhint: make it for this user, or name another place in admin.listen", err)
		}
	}
	members := s.d.cluster.Others()
	server, err := admin.New(admin.Config{
		Listen: listen, Hosts: s.d.hostNames, TLS: s.d.certs.admin(), Version: s.d.opts.Version, Metrics: s.d.metrics.Registry, Jobs: s.d.jobs, PBX: s.d.pbx, Table: s.d.table, Recent: &s.d.recent, Cluster: s.d.cluster.Status,
		API: api.Config{Now: s.d.opts.Now, Log: s.d.log,
			Records: s.d.store, Phones: s.d.service, Index: s.d.index, Packs: s.d.packs, Leases: s.d.table, Events: s.d.observe,
			Discovered: s.d.store, Audit: s.d.store, Changes: s.d.store, Tokens: s.d.store, Trust: s.d.service, Feed: &s.d.feed,
			Members: members, Diagnose: reporter(s).diagnose(), Site: s.d.site, Files: s.d.files, Preview: s.d.preview,
			Subnets: reporter(s).subnets, Status: reporter(s).status, Ready: s.d.Ready, Reload: s.d.Reload, Backup: s.d.store.Backup, Memory: s.d.memory.Grant},
	})
	if err != nil {
		return err
	}
	s.d.cluster.Answer(server.InProcess())
	err = server.Run(ctx, func() {
		for _, l := range listen {
			s.d.listeners.add("admin", l)
		}
		ready()
	})
	for _, a := range c.Admin.Listen {
		if errors.Is(err, syscall.EADDRINUSE) && a.TCP.IsValid() && strings.Contains(err.Error(), a.String()) {
			return netif.ListenError("admin", "tcp", int(a.TCP.Port()), err)
		}
	}
	return err
}
