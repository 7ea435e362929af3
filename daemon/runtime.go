package daemon

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"plugtone/daemon/config"
	"plugtone/daemon/ownca"
	"plugtone/daemon/packprobe"
	"plugtone/daemon/upstreams"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
	"plugtone/provision/upstream"
	"plugtone/provision/vendors"
)

// runtimeConfig is a configuration that has been checked with everything that follows from it. It never changes: a reload makes
// a new one.
type runtimeConfig struct {
	cfg      *config.Config
	warnings []config.Warning
	packs    *pack.Set
	site     *fleet.Site
	dhcp     dhcp.Config
	upstream *upstream.Settings
}

// withoutPacks returns a copy that does not hold the packs in memory.
func (p runtimeConfig) withoutPacks() *runtimeConfig {
	p.packs = nil
	return &p
}

// loadRuntimeConfig reads configuration and packs. Its error joins the problems of both.
func loadRuntimeConfig(o Options) (*runtimeConfig, error) {
	c, err := readConfig(o)
	if err != nil {
		// The packs are loaded nevertheless, so that all problems are reported at once.
		_, packErr := loadPacks(config.Default())
		return nil, errors.Join(err, packErr)
	}
	packs, err := loadPacks(c)
	if err != nil {
		return nil, annotate(c, err)
	}
	if err := checkPackNames(c, packs); err != nil {
		return nil, err
	}
	p := &runtimeConfig{cfg: c, packs: packs, site: siteOf(c), dhcp: dhcpOf(c)}
	if err := p.dhcp.Validate(); err != nil {
		return nil, err
	}
	if p.upstream, err = upstreams.Settings(c.Provisioning.Upstream); err != nil {
		return nil, config.Problems{c.ProblemAt("provisioning.upstream.ca_file", err.Error())}
	}
	p.warnings = append(c.Warnings(), packprobe.Warnings(c, packs, p.site)...)
	return p, nil
}

// readConfig reads the file, if there is one, and applies the flags of the command line.
func readConfig(o Options) (*config.Config, error) {
	c := config.Default()
	if o.Config != "" {
		var err error
		if c, _, err = config.Load(o.Config); err != nil {
			return nil, err
		}
	}
	if err := config.AddInterfaces(c, o.Interfaces); err != nil {
		return nil, err
	}
	if o.DataDir != "" {
		c.DataDir = o.DataDir
	}
	return c, nil
}

func loadPacks(c *config.Config) (*pack.Set, error) {
	return packcheck.Load(pack.Config{Builtin: vendors.FS, Dirs: c.Provisioning.VendorDirs, Experimental: c.Provisioning.ExperimentalPacks})
}

// annotate returns err, or, when vendor ids of the configuration cause it, an error with their places in the file.
func annotate(c *config.Config, err error) error {
	without := *c
	without.Provisioning.ExperimentalPacks = nil
	packs, plainErr := loadPacks(&without)
	if plainErr != nil {
		return err
	}
	if problems := checkPackNames(c, packs); problems != nil {
		return problems
	}
	return err
}

// checkPackNames checks that there is a pack for each vendor id of the configuration.
func checkPackNames(c *config.Config, packs *pack.Set) error {
	var problems config.Problems
	ids := vendorIDs(packs)
	check := func(path, id string) {
		if slices.Contains(ids, id) {
			return
		}
		allowed := "no pack has this vendor id"
		if near := setting.Nearest(id, ids); len(near) > 0 {
			allowed += ": did you mean " + strings.Join(near, " or ") + "?"
		}
		problems = append(problems, c.ProblemAt(path, allowed))
	}
	for i, id := range c.Provisioning.ExperimentalPacks {
		check(fmt.Sprintf("provisioning.experimental_packs[%d]", i), id)
	}
	for _, id := range slices.Sorted(maps.Keys(c.HTTPS.ClientCAFiles)) {
		check("https.client_ca_files."+id, id)
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

func vendorIDs(packs *pack.Set) []string {
	var ids []string
	for _, v := range packs.Vendors() {
		ids = append(ids, v.ID)
	}
	return ids
}

func dhcpOf(c *config.Config) dhcp.Config {
	d := dhcp.Config{Mode: c.DHCP.Mode, Authoritative: c.DHCP.Authoritative, ConflictCheck: c.DHCP.ConflictCheck}
	for _, s := range c.DHCP.Subnets {
		d.Subnets = append(d.Subnets, s.Subnet)
	}
	return d
}

// siteOf returns the part of the configuration that provisioning needs.
func siteOf(c *config.Config) *fleet.Site {
	p := c.Provisioning
	site := &fleet.Site{
		Trust: p.Trust, Networks: p.Networks, NewPhones: &trust.NewPhones{Burst: p.NewPhones.Burst, PerMinute: p.NewPhones.PerMinute},
		StepUp: trust.StepUp(p.StepUp), Resets: &trust.Resets{Burst: p.Resets.Burst, PerHour: p.Resets.PerHour}, UnknownPhones: p.UnknownPhones, TimeZone: p.TimeZone, ExternalURL: p.ExternalURL, Settings: p.Settings, SyslogPort: c.SyslogPort(),
	}
	if c.HTTPS.Enabled && c.HTTPS.CertFile == "" {
		site.CAFile = ownca.FileName
	}
	for _, s := range c.DHCP.Subnets {
		s.NextServer = nextServer(s.Subnet)
		site.Subnets = append(site.Subnets, s)
	}
	return site
}

// nextServer returns the address of this host that phones in the subnet are sent to; zero while it is unknown.
func nextServer(s dhcp.Subnet) netip.Addr {
	if s.NextServer.IsValid() {
		return s.NextServer
	}
	return serverID(s)
}

// serverID returns the address of this host from which it answers DHCP in the subnet; zero while it is unknown.
func serverID(s dhcp.Subnet) netip.Addr {
	if s.Interface != "" {
		return addressOn(s.Interface, s.Prefix)
	}
	return addressTowards(s.Prefix)
}

// interfaces that are attached and served.
func (p *runtimeConfig) interfaces() []string {
	var out []string
	for _, s := range p.cfg.DHCP.Subnets {
		if s.Interface != "" && !slices.Contains(out, s.Interface) {
			out = append(out, s.Interface)
		}
	}
	return out
}

// needsRestart names what differs in new and can't change while the daemon runs.
func (p *runtimeConfig) needsRestart(new *runtimeConfig) []string {
	a, b := p.cfg, new.cfg
	var keys []string
	differs := func(key string, same bool) {
		if !same {
			keys = append(keys, key)
		}
	}
	differs("data_dir", a.DataDir == b.DataDir)
	differs("dhcp.mode", (a.DHCP.Mode == dhcp.ModeOff) == (b.DHCP.Mode == dhcp.ModeOff))
	differs("tftp", a.TFTP.Enabled == b.TFTP.Enabled && slices.Equal(a.TFTP.Listen, b.TFTP.Listen))
	differs("http", a.HTTP.Enabled == b.HTTP.Enabled && slices.Equal(a.HTTP.Listen, b.HTTP.Listen))
	differs("https.listen", a.HTTPS.Enabled == b.HTTPS.Enabled && slices.Equal(a.HTTPS.Listen, b.HTTPS.Listen))
	differs("admin.listen", slices.Equal(a.Admin.Listen, b.Admin.Listen))
	differs("metrics.listen", slices.Equal(a.Metrics.Listen, b.Metrics.Listen))
	differs("provisioning.pnp", a.Provisioning.PnP.Enabled == b.Provisioning.PnP.Enabled)
	differs("dhcp.subnets[].shared", slices.Equal(sharedSubnets(a), sharedSubnets(b)))
	differs("syslog", a.Syslog.Enabled == b.Syslog.Enabled && slices.Equal(a.Syslog.Listen, b.Syslog.Listen))
	differs("timeline", a.Timeline == b.Timeline)
	differs("log.format", a.Log.Format == b.Log.Format)
	differs("cluster", reflect.DeepEqual(a.Cluster, b.Cluster))
	return keys
}

// sharedSubnets lists the subnets that several members of the cluster serve.
func sharedSubnets(c *config.Config) (out []netip.Prefix) {
	for _, s := range c.DHCP.Subnets {
		if s.Shared {
			out = append(out, s.Prefix)
		}
	}
	return out
}

// keepShared makes the subnets of c shared that were at start, and no other.
func keepShared(c *dhcp.Config, first *config.Config) {
	shared := sharedSubnets(first)
	for i := range c.Subnets {
		c.Subnets[i].Shared = slices.Contains(shared, c.Subnets[i].Prefix)
	}
}
