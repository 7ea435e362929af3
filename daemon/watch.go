package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"plugtone/daemon/config"
	"plugtone/daemon/ownca"
	"plugtone/provision/fleet"
)

// watchEvery is how often the host's addresses and the certificate files are looked at.
const watchEvery = 10 * time.Second

// host is what is read from the machine: its name and its addresses with their networks.
type host struct {
	name  string
	links []netip.Prefix // IPv4, unmasked: the address is the host's own
}

// readHost reads the host's name and addresses. What cannot be read is left out.
func readHost() host {
	var h host
	h.name, _ = os.Hostname()
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			h.links = append(h.links, p)
		}
	}
	return h
}

// addrs are the host's own, those that others can reach first.
func (h host) addrs() []netip.Addr {
	var out, loop []netip.Addr
	for _, p := range h.links {
		if p.Addr().IsLoopback() {
			loop = append(loop, p.Addr())
		} else {
			out = append(out, p.Addr())
		}
	}
	return append(out, loop...)
}

// hostNames returns the names under which operators and Prometheus may reach this host: its own, those of admin.hosts, and those in
// the certificate of the API.
func (d *Daemon) hostNames() []string {
	names := slices.Clone(d.current.Load().cfg.Admin.Hosts)
	if own, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(own, ".")
		names = append(names, own, short)
	}
	if cert := d.certs.api.Load(); cert != nil && cert.Leaf != nil {
		names = append(names, cert.Leaf.DNSNames...)
	}
	return names
}

// serves reports whether TFTP requests from an address are answered: from leased subnets, attached links and
// provisioning.networks. Others are ignored, so that a forged source address there is not flooded with answers (F16).
func (d *Daemon) serves(a netip.Addr) bool {
	site := d.site()
	if _, ok := site.SubnetOf(a); ok || a.IsLoopback() {
		return true
	}
	if slices.ContainsFunc(site.Networks, func(n fleet.Network) bool { return n.From.Contains(a) }) {
		return true
	}
	links := d.links.Load()
	return links != nil && slices.ContainsFunc(*links, func(p netip.Prefix) bool { return p.Contains(a) })
}

// hostWatcher follows the host that the daemon runs on.
type hostWatcher struct{ d *Daemon }

// run polls for changes on the host, and applies them: the host's addresses, and certificate
// files that were replaced.
func (w hostWatcher) run(ctx context.Context, ready func()) error {
	w.refreshNextServer() // a moment has passed since the configuration was read
	seen := w.hostFingerprint()
	ready()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.d.hostChanges:
		}
		w.d.observe.Flush()
		w.refreshNextServer()
		if now := w.hostFingerprint(); now != seen {
			seen = now
			w.reloadCertificates()
		}
	}
}

// hostChanged makes the watcher check the host now. It does not block.
func (d *Daemon) hostChanged() {
	select {
	case d.hostChanges <- struct{}{}:
	default: // a check is already due
	}
}

// refreshNextServer updates the server address that phones are sent to, since the addresses of this host may appear later and change.
func (w hostWatcher) refreshNextServer() {
	w.d.reload.Lock()
	defer w.d.reload.Unlock()
	p := *w.d.current.Load()
	site := siteOf(p.cfg)
	site.CACert = p.site.CACert
	changed := false
	for i := range site.Subnets {
		now, before := &site.Subnets[i].NextServer, p.site.Subnets[i].NextServer
		if !now.IsValid() {
			*now = before // there is no other address to send phones to
		}
		if *now != before {
			changed = true
			w.d.log.Info("phones are sent to another address of this host", "subnet", site.Subnets[i].Prefix, "addr", *now)
		}
	}
	if changed {
		p.site = site
		w.d.current.Store(&p)
	}
}

// hostFingerprint is a text that changes when certificates are to be read again. It notes the attached links on the way.
func (w hostWatcher) hostFingerprint() string {
	h, c := readHost(), w.d.current.Load().cfg
	w.d.links.Store(&h.links)
	var b strings.Builder
	for _, path := range certificateFiles(c) {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
	}
	if c.HTTPS.Enabled && c.HTTPS.CertFile == "" {
		fmt.Fprintln(&b, ownNames(w.d.current.Load(), h))
	}
	return b.String()
}

func certificateFiles(c *config.Config) []string {
	files := []string{c.Admin.TLSCertFile, c.Admin.TLSKeyFile}
	if c.HTTPS.Enabled {
		files = append(files, c.HTTPS.CertFile, c.HTTPS.KeyFile)
		for _, f := range c.HTTPS.ClientCAFiles {
			files = append(files, f)
		}
	}
	slices.Sort(files)
	return files
}

// reloadCertificates reads the certificates again. Those in force stay when the new ones can't be read: a file may be half written.
func (w hostWatcher) reloadCertificates() {
	w.d.reload.Lock()
	defer w.d.reload.Unlock()
	p := w.d.current.Load()
	n, err := loadCertificates(p.cfg, ownNames(p, readHost()))
	if err != nil {
		w.d.log.Error("certificates kept as they were", "err", err)
		return
	}
	if ca := n.authority(); ca != p.site.CACert {
		site, with := *p.site, *p
		site.CACert, with.site = ca, &site
		w.d.current.Store(&with)
	}
	w.d.installCertificates(n, p)
}

// installCertificates puts certificates into force and logs what clients will see.
func (d *Daemon) installCertificates(n *certificates, p *runtimeConfig) {
	d.certs.replace(n)
	if err := d.certs.publish(filesDir(p.cfg)); err != nil {
		d.log.Error("certificate of the own authority is not published", "err", err)
	}
	what, cert := d.certs.describe()
	if cert == nil {
		return
	}
	own := n.own.Load()
	issued := own != nil && own.Issued
	d.log.Info("https certificate", "from", what, "sha256", ownca.Fingerprint(cert), "until", cert.NotAfter.UTC().Format(time.DateOnly), "issued", issued)
}
