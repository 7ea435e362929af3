package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"plugtone/admin/feed"
	"plugtone/admin/recent"
	"plugtone/daemon/cluster"
	"plugtone/daemon/config"
	"plugtone/daemon/health"
	"plugtone/daemon/memorylimit"
	"plugtone/daemon/neighbors"
	"plugtone/daemon/observe"
	"plugtone/daemon/push"
	"plugtone/daemon/states"
	"plugtone/daemon/upstreams"
	"plugtone/daemon/usage"
	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/server"
	"plugtone/provision"
	"plugtone/provision/deviceindex"
	"plugtone/provision/fleet"
	"plugtone/provision/memberfiles"
	"plugtone/provision/notify"
	"plugtone/provision/pack"
	"plugtone/provision/pbxsync"
	"plugtone/provision/registration"
	"plugtone/provision/trust"
	"plugtone/provision/uploads"
	"plugtone/provision/upstream"
	"plugtone/store"
	"plugtone/tftp"
)

// Options is what a daemon is started with. The functions default to the real thing.
type Options struct {
	Config     string   // configuration file; "" for none
	Interfaces []string // serve the own subnets of these too
	DataDir    string   // instead of data_dir
	KeyFile    string   // of the records; "": a systemd credential or the file in the data directory
	Version    string
	Log        io.Writer // standard error

	CheckCommand []string // this program's command to check one file of the store; nil: it is checked in this process

	Now      func() time.Time
	Notify   func(state string) (bool, error)                                 // sd_notify
	Watchdog func() (time.Duration, error)                                    // WATCHDOG_USEC
	Discover func(ctx context.Context, ifname string) ([]server.Offer, error) // our own DISCOVER
}

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = os.Stderr
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Notify == nil {
		o.Notify = systemdNotify
	}
	if o.Watchdog == nil {
		o.Watchdog = systemdWatchdog
	}
	if o.Discover == nil {
		o.Discover = server.Discover
	}
}

// Daemon is everything that serves phones on this host.
type Daemon struct {
	opts    Options
	log     *slog.Logger
	level   *slog.LevelVar
	started time.Time
	metrics *observe.Metrics
	observe *observe.Observer
	certs   *certificates

	store         *store.Store
	files         *os.Root
	uploads       *uploads.Store
	links         atomic.Pointer[[]netip.Prefix] // attached to this host
	hostChanges   chan struct{}                  // holds a token when links, addresses or routes may have changed
	table         *leasetable.Table
	cluster       *cluster.Cluster // nil: a single appliance
	service       *provision.Service
	index         *deviceindex.Index
	memory        *memorylimit.Limit
	dhcp          *server.Server // nil with dhcp.mode off
	feed          feed.Feed
	recent        recent.Recent
	usage         *usage.Usage
	jobs          *notify.Jobs
	pbx           *pbxsync.Sources
	registrations *registration.Tracker
	upstreams     *upstreams.Upstreams
	credentials   credentials

	current atomic.Pointer[runtimeConfig]
	first   *runtimeConfig // what was started with: listeners can't change later
	reload  sync.Mutex

	up           atomic.Bool
	tftp         atomic.Pointer[tftp.Server]
	listeners    listeners
	manager      serviceManager
	packUse      *health.PackUse
	failedReload atomic.Pointer[reloadFailure] // of the last reload; nil when it was accepted
	pnpFault     atomic.Pointer[error]         // why the PnP responder does not listen; nil, or nil within: it does, or there is none
	tasks        []string
}

// New reads the configuration, opens the data directory and joins all parts. Nothing listens before Run. What New opened
// is closed by Run, or by Close when Run is never called.
func New(o Options) (*Daemon, error) {
	o.defaults()
	p, err := loadRuntimeConfig(o)
	if err != nil {
		return nil, err
	}
	d := &Daemon{opts: o, level: new(slog.LevelVar), started: o.Now(), first: p.withoutPacks(), hostChanges: make(chan struct{}, 1), memory: memorylimit.Follow()}
	d.level.Set(levelOf(p.cfg))
	d.log = newLog(o.Log, p.cfg.Log.Format, d.level)
	d.manager = serviceManager{send: o.Notify, interval: o.Watchdog, log: d.log}
	d.current.Store(p)
	if err := d.build(p); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	for _, w := range p.warnings {
		d.log.Warn("configuration", "warning", w.String())
	}
	d.metrics.Reloaded(true, o.Now())
	return d, nil
}

// build makes the parts from the bottom up.
func (d *Daemon) build(p *runtimeConfig) (err error) {
	if d.metrics, err = observe.NewMetrics(d.opts.Version); err != nil {
		return err
	}
	certs, err := loadCertificates(p.cfg, ownNames(p, readHost()))
	if err != nil {
		return err
	}
	p.site.CACert = certs.authority()
	d.store, err = store.Open(d.storeConfig(p.cfg))
	if err != nil {
		return err
	}
	d.store.SetHistory(p.cfg.History.Keep, p.cfg.History.Max)
	d.packUse = &health.PackUse{Records: d.store}
	d.credentials = credentials{records: d.store, log: d.log, reloaded: make(chan struct{}, 1)}
	if d.files, err = openFiles(filesDir(p.cfg)); err != nil {
		return err
	}
	if d.uploads, err = uploads.OpenFolder(filepath.Join(p.cfg.DataDir, uploads.FolderName), d.store.Cipher()); err != nil {
		return err
	}
	d.certs = &certificates{}
	d.installCertificates(certs, p)
	if err := openLeases(d, p); err != nil {
		return err
	}
	if d.usage, err = usage.Open(usage.Config{Stats: d.table.Stats, Store: d.store.Usage(), Now: d.opts.Now, Log: d.log}); err != nil {
		return err
	}
	d.distrustLeases(p.cfg)
	d.registrations = push.NewRegistrations(func() push.Config { return pushConfig(d) }, d.opts.Now, d.log)
	if err := openUpstreams(d, p); err != nil {
		return err
	}
	if err := buildService(d); err != nil {
		return err
	}
	d.index = deviceindex.New(deviceindex.Config{Records: d.store, Packs: d.packs, Site: d.site, Compute: d.service.States().Of, Registration: d.registrations.Of, Now: d.opts.Now})
	d.table.Notify(d.index.LeaseChanged)
	d.observe = observe.New(observe.Config{
		Store: states.Store{Store: d.store, Index: d.index, Fetched: d.cluster.Fetched}, Feed: &d.feed, Recent: &d.recent, Metrics: d.metrics, Log: d.log, Recorded: d.service.Recorded, Site: d.site, Now: d.opts.Now,
		LeaseAt: d.table.LeaseAt, Certificate: d.certs.leaf,
	})
	if err := d.buildTrust(); err != nil {
		return err
	}
	if err := buildPush(d); err != nil {
		return err
	}
	sources := observe.Sources{Leases: d.table.Stats, Transfers: d.transfers, Discovered: d.store.DiscoveredCount, Devices: d.index.States, Stale: d.index.LongestStale}
	if err := errors.Join(d.metrics.Registry.Register(observe.NewGauges(sources)), d.metrics.Registry.Register(refusalsDropped(&d.tftp)), d.metrics.Registry.Register(d.usage), d.metrics.Registry.Register(health.NewCertificateEnds(func() []health.Certificate { return d.certs.list(d.current.Load().cfg) }))); err != nil {
		return err
	}
	if p.cfg.DHCP.Mode == dhcp.ModeOff {
		return nil
	}
	return d.buildDHCP(p)
}

// buildService makes the service that answers file requests.
func buildService(d *Daemon) (err error) {
	d.service, err = provision.New(memberfiles.With(provision.Config{
		Upstream: d.upstreams, Records: d.store, Leases: d.table, Packs: d.packs, Site: d.site, Fetches: d.store.Fetches, Timeline: d.store.Timeline, Files: d.files, Uploads: d.uploads, Now: d.opts.Now,
		Neighbor: neighbors.New(d.opts.Now).Of, Event: func(e trust.Event) { d.observe.TrustEvent(e) }, Used: d.credentials.used.add, Windows: d.store, Resets: d.store, NonceKey: d.cluster.NonceKey(), Probe: addressProber{d}, Registration: d.registrations.Of,
	}, d.cluster.Serves))
	return err
}

// openUpstreams makes the client of PBXs that render files.
func openUpstreams(d *Daemon, p *runtimeConfig) (err error) {
	d.upstreams, err = upstreams.Open(upstreams.Config{
		Dir: filepath.Join(p.cfg.DataDir, "upstream"), Settings: func() *upstream.Settings { return d.current.Load().upstream },
		Records: d.store, Cipher: d.store.Cipher(), Registerer: d.metrics.Registry, Now: d.opts.Now, Log: d.log,
	})
	return err
}

func (d *Daemon) buildDHCP(p *runtimeConfig) error {
	engine, err := engine.New(p.dhcp, d.store, d.service)
	if err != nil {
		return err
	}
	d.dhcp, err = server.New(server.Config{
		Interfaces: p.interfaces(), Now: d.opts.Now, Log: d.log, Sharing: d.cluster.Sharing,
		Observer: server.Observer{Decided: d.observe.Decided, Dropped: d.observe.Dropped, Fallback: d.observe.Fallback, OtherServer: d.observe.OtherServer, LinksChanged: d.hostChanged},
	}, engine, d.table)
	return err
}

func filesDir(c *config.Config) string { return filepath.Join(c.DataDir, "files") }

// openFiles makes and opens a folder of files. Nothing outside of it can be reached through it.
func openFiles(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

func (d *Daemon) packs() *pack.Set  { return d.current.Load().packs }
func (d *Daemon) site() *fleet.Site { return d.current.Load().site }

func (d *Daemon) transfers() int {
	if s := d.tftp.Load(); s != nil {
		return s.Stats().Active
	}
	return 0
}

// Close closes what New opened. Run does it by itself.
func (d *Daemon) Close() error {
	var errs []error
	d.memory.Release()
	if d.files != nil {
		errs = append(errs, d.files.Close())
		d.files = nil
	}
	if d.uploads != nil {
		errs = append(errs, d.uploads.Close())
		d.uploads = nil
	}
	if d.upstreams != nil {
		errs = append(errs, d.upstreams.Close())
		d.upstreams = nil
	}
	errs = append(errs, d.cluster.Close())
	if d.store != nil {
		if d.service != nil {
			errs = append(errs, d.service.Close())
		}
		errs = append(errs, d.store.Close())
		d.store = nil
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends: then it stops reading, lets transfers end for at most five seconds, and closes the store
// last. The first part that fails stops the others and is returned.
func (d *Daemon) Run(ctx context.Context) error {
	err := d.lookForOthers(ctx)
	if err == nil && ctx.Err() == nil {
		err = runStages(ctx, d.stages(), d.ready)
	}
	d.up.Store(false)
	closed := d.Close()
	if err == nil {
		d.log.Info("stopped")
	}
	return errors.Join(err, closed)
}

// ready notifies the service manager that all parts run.
func (d *Daemon) ready() {
	d.up.Store(true)
	d.log.Info("ready", "version", d.opts.Version, "listening", d.Listening())
	d.manager.notify(systemd.SdNotifyReady)
	debug.FreeOSMemory() // reading the leases left as much garbage as there are leases
}

// Ready returns nil when all parts run, the disk takes what is written, and the data directory is still the one that was opened.
func (d *Daemon) Ready() error {
	if !d.up.Load() {
		return errors.New("not all parts run")
	}
	return d.store.Health()
}

// Listening names the sockets that are open: tftp 127.0.0.1:69.
func (d *Daemon) Listening() []string { return d.listeners.list() }
