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
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"plugtone/admin"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/dhcp/netif"
	"plugtone/httpprov"
	"plugtone/tftp"
)

// transferGrace is how long running transfers may go on when the daemon stops.
const transferGrace = 5 * time.Second

// snapshotEvery is how often the records are copied to backups/.
const snapshotEvery = time.Hour

// stages is the parts list. What others write through comes first and goes last.
func (d *Daemon) stages() []stage {
	c := d.first.cfg
	servers := []task{
		{"admin", d.runAdmin},
		{"snapshots", d.runSnapshots},
		{"credentials", d.runCredentials},
		{"watch", d.watch},
		{"watchdog", d.watchdog},
		{"stopping", d.notifyStopping},
	}
	add := func(on bool, t task) {
		if on {
			servers = append(servers, t)
		}
	}
	add(d.dhcp != nil, task{"dhcp", d.runDHCP})
	add(c.TFTP.Enabled, task{"tftp", d.runTFTP})
	add(c.HTTP.Enabled, task{"http", func(ctx context.Context, ready func()) error {
		return d.runFiles(ctx, ready, "http", c.HTTP.Listen, nil)
	}})
	add(c.HTTPS.Enabled, task{"https", func(ctx context.Context, ready func()) error {
		return d.runFiles(ctx, ready, "https", c.HTTPS.Listen, d.certs.files())
	}})
	add(len(c.Metrics.Listen) > 0, task{"metrics", d.runMetrics})
	storage := []task{
		{"store", d.store.Run},
		{"leases", func(ctx context.Context, ready func()) error { ready(); return d.table.Run(ctx) }},
	}
	for _, t := range append(slices.Clone(storage), servers...) {
		d.tasks = append(d.tasks, t.name)
	}
	return []stage{{tasks: storage}, {tasks: servers, grace: transferGrace + 3*time.Second}}
}

// notifyStopping tells the service manager that the end is wanted.
func (d *Daemon) notifyStopping(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	d.notify(systemd.SdNotifyStopping)
	return nil
}

func (d *Daemon) runDHCP(ctx context.Context, ready func()) error {
	return d.dhcp.Run(ctx, func() {
		d.listens("dhcp", strings.Join(d.first.interfaces(), " "))
		ready()
	})
}

func (d *Daemon) listens(what, where string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listening = append(d.listening, strings.TrimSpace(what+" "+where))
}

func (d *Daemon) runTFTP(ctx context.Context, ready func()) error {
	var conns []net.PacketConn
	for _, a := range d.first.cfg.TFTP.Listen {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
		if err != nil {
			return errors.Join(netif.ListenError("tftp", "udp", int(a.Port()), err), closeAll(conns))
		}
		conns = append(conns, conn)
		d.listens("tftp", conn.LocalAddr().String())
	}
	s, err := tftp.New(tftp.Config{Conns: conns, Now: d.opts.Now, Log: d.log, Allow: d.serves, Leased: d.leased(), Grace: transferGrace}, d.service, d.observe.Answered)
	if err != nil {
		return errors.Join(err, closeAll(conns))
	}
	d.tftp.Store(s)
	return s.Run(ctx, ready)
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

// leased returns the function that tells the file servers which addresses are leased to phones; nil when none are leased here.
func (d *Daemon) leased() func(netip.Addr) bool {
	if c := d.first.cfg.DHCP; c.Mode != dhcp.ModeServe {
		return nil
	}
	return func(a netip.Addr) bool {
		l, ok := d.table.LeaseAt(a)
		return ok && l.Phone
	}
}

func closeAll[T interface{ Close() error }](all []T) error {
	var errs []error
	for _, x := range all {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// listenTCP opens all addresses, or none.
func (d *Daemon) listenTCP(what string, addrs []netip.AddrPort) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, a := range addrs {
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(a))
		if err != nil {
			return nil, errors.Join(netif.ListenError(what, "tcp", int(a.Port()), err), closeAll(listeners))
		}
		listeners = append(listeners, l)
		d.listens(what, l.Addr().String())
	}
	return listeners, nil
}

func (d *Daemon) runFiles(ctx context.Context, ready func(), what string, addrs []netip.AddrPort, t *tls.Config) error {
	listeners, err := d.listenTCP(what, addrs)
	if err != nil {
		return err
	}
	s, err := httpprov.New(httpprov.Config{Listeners: listeners, TLS: t, ClientCAs: d.certs.phones.Load, Leased: d.leased(), Now: d.opts.Now, Log: d.log, Grace: transferGrace}, d.service, d.observe.Answered)
	if err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	return s.Run(ctx, ready)
}

// runMetrics serves /metrics, and nothing else, where the configuration says.
func (d *Daemon) runMetrics(ctx context.Context, ready func()) error {
	listeners, err := d.listenTCP("metrics", d.first.cfg.Metrics.Listen)
	if err != nil {
		return err
	}
	metrics := promhttp.HandlerFor(d.metrics.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	s := &http.Server{Handler: admin.MetricsHandler(d.hostNames, metrics), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- s.Serve(l) }()
	}
	ready()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	return errors.Join(err, s.Close())
}

// runSnapshots copies the records at start of each hour of running.
func (d *Daemon) runSnapshots(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(snapshotEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := d.store.Snapshot(); err != nil {
				d.log.Error("snapshot of the records", "err", err)
			}
		}
	}
}

func (d *Daemon) runAdmin(ctx context.Context, ready func()) error {
	c := d.first.cfg
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
	s, err := admin.New(admin.Config{
		Listen: listen, Hosts: d.hostNames, TLS: d.certs.admin(), Version: d.opts.Version, Metrics: d.metrics.Registry,
		API: api.Config{Now: d.opts.Now, Log: d.log,
			Records: d.store, Phones: d.service, Packs: d.packs, Leases: d.table, Events: d.observe,
			Discovered: d.store, Audit: d.store, Tokens: d.store, Trust: d.service, Feed: &d.feed,
			Subnets: d.subnets, Status: d.status, Ready: d.Ready, Reload: d.Reload, Backup: d.store.Backup},
	})
	if err != nil {
		return err
	}
	err = s.Run(ctx, func() {
		for _, l := range listen {
			d.listens("admin", l)
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

// subnets for the API, in the order of the configuration.
func (d *Daemon) subnets() []client.Subnet {
	p := d.current.Load()
	stats := map[netip.Prefix]dhcp.Stats{}
	for _, s := range d.table.Stats() {
		stats[s.Subnet] = s
	}
	out := []client.Subnet{}
	for i, s := range p.cfg.DHCP.Subnets {
		pools := []string{}
		for _, r := range s.Pools {
			pools = append(pools, r.String())
		}
		n := stats[s.Prefix]
		out = append(out, client.Subnet{
			Subnet: s.Prefix, Interface: s.Interface, Phones: s.Phones, Pools: pools, Addresses: n.Pool, Active: n.Active,
			Declined: n.Declined, Free: n.Free, ProvisioningURL: provisioningURL(p.site.Subnets[i]),
		})
	}
	return out
}

func (d *Daemon) status() client.DaemonStatus {
	p := d.current.Load()
	s := client.DaemonStatus{
		Version: d.opts.Version, StartedAt: d.started, Config: p.cfg.Path, DataDir: p.cfg.DataDir, Revision: d.store.Revision(),
		Ready: true, Warnings: d.warnings(), Tasks: d.tasks, Listening: d.Listening(), Sizes: d.store.Sizes(),
	}
	if err := d.Ready(); err != nil {
		s.Ready, s.Faults = false, []string{err.Error()}
	}
	return s
}

// lookForOthers refuses to start without a file beside another DHCP server: somebody who only wants to try plugtone shall
// not break his network. With a file the server itself looks from time to time, and warns.
func (d *Daemon) lookForOthers(ctx context.Context) error {
	if d.opts.Config != "" || d.dhcp == nil || d.first.cfg.DHCP.Mode != dhcp.ModeServe {
		return nil
	}
	for _, name := range d.first.interfaces() {
		offers, err := d.opts.Discover(ctx, name)
		if err != nil {
			return err
		}
		if len(offers) > 0 {
			o := offers[0]
			return fmt.Errorf("another DHCP server answers on %s: %s (hardware address %s) offered %s\n"+
				"hint: two servers hand out the same addresses twice; switch the other one off, or write a configuration file with dhcp.mode: inform or off and set its option 66 to this host, or one with dhcp.mode: serve to be only warned",
				name, o.Server, o.MAC, o.Addr)
		}
	}
	return nil
}
