package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/yamlpos"
)

// subnetPlaces remembers where the ranges of a subnet were written.
type subnetPlaces struct {
	at             string
	pools, exclude []string
}

// check is everything that more than one key decides.
func (r *reader) check(c *Config, places map[int]*subnetPlaces) {
	for i := range c.DHCP.Subnets {
		s, p := &c.DHCP.Subnets[i], places[i]
		if !s.Prefix.IsValid() {
			if !r.written(p.at + ".subnet") {
				r.problemPath(p.at, "", "has no subnet: write subnet: 10.20.0.0/22")
			}
			continue
		}
		r.checkSubnet(s, p)
		if s.Shared && !c.Cluster.Enabled() {
			r.problemPath(p.at+".shared", "true", "several servers can share a subnet in a cluster only: write cluster, or leave shared out")
		}
		for j := range i {
			if o := c.DHCP.Subnets[j]; o.Prefix.IsValid() && o.Prefix.Overlaps(s.Prefix) {
				r.problemPath(p.at+".subnet", s.Prefix.String(), "overlaps %s of dhcp.subnets[%d]", o.Prefix, j)
			}
		}
	}
	r.checkListeners(c)
	r.checkCertificates(c)
	r.checkFiles(c)
}

func (r *reader) checkSubnet(s *fleet.Subnet, p *subnetPlaces) {
	r.checkRanges(s, s.Pools, p.pools, true)
	r.checkRanges(s, s.Exclude, p.exclude, false)
	for i, a := range s.Routers {
		if at := fmt.Sprintf("%s.routers[%d]", p.at, i); a.IsValid() && !s.Prefix.Contains(a) {
			r.problemPath(at, a.String(), "is outside %s: a phone can't reach a router that is not on its own network", s.Prefix)
		}
	}
	for i, a := range s.Relays {
		if at := fmt.Sprintf("%s.relays[%d]", p.at, i); a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})) {
			r.problemPath(at, a.String(), "is no host's address: name the address that the relay sends from (giaddr)")
		}
		if slices.Contains(s.Relays[:i], a) && a.IsValid() {
			r.problemPath(fmt.Sprintf("%s.relays[%d]", p.at, i), a.String(), "duplicate")
		}
	}
	if at := p.at + ".next_server"; s.NextServer.IsValid() && s.NextServer.IsUnspecified() {
		r.problemPath(at, s.NextServer.String(), "leave it out for this host's own address")
	}
	if s.Phones == dhcp.PhonesMove && s.VoiceVLAN == 0 && !r.written(p.at+".voice_vlan") {
		r.problemPath(p.at+".phones", s.Phones, "move sends phones to the voice VLAN: voice_vlan must be set")
	}
}

// checkRanges holds ranges to their subnet. Pools must also leave out its first and last address, and each other.
func (r *reader) checkRanges(s *fleet.Subnet, ranges []dhcp.Range, at []string, pool bool) {
	first, last := Hosts(s.Prefix)
	for i, v := range ranges {
		switch {
		case !s.Prefix.Contains(v.First) || !s.Prefix.Contains(v.Last):
			r.problemPath(at[i], v.String(), "is outside %s", s.Prefix)
		case pool && (v.First.Less(first) || last.Less(v.Last)):
			r.problemPath(at[i], v.String(), "takes in the network or broadcast address: %s has the host addresses %s-%s", s.Prefix, first, last)
		}
		for j := range i {
			if o := ranges[j]; pool && v.First.Compare(o.Last) <= 0 && o.First.Compare(v.Last) <= 0 {
				r.problemPath(at[i], v.String(), "overlaps %s of the same subnet", o)
			}
		}
	}
}

// Hosts is the first and last address of p that a host may have.
func Hosts(p netip.Prefix) (first, last netip.Addr) {
	p = p.Masked()
	b := p.Addr().As4()
	n := binary.BigEndian.Uint32(b[:])
	end := n | uint32(uint64(1)<<(32-p.Bits())-1)
	if p.Bits() < 31 {
		n, end = n+1, end-1
	}
	var f, l [4]byte
	binary.BigEndian.PutUint32(f[:], n)
	binary.BigEndian.PutUint32(l[:], end)
	return netip.AddrFrom4(f), netip.AddrFrom4(l)
}

// checkListeners finds servers that would take each other's TCP address.
func (r *reader) checkListeners(c *Config) {
	type server struct {
		path  string
		on    bool
		addrs []netip.AddrPort
	}
	var admin []netip.AddrPort
	for _, a := range c.Admin.Listen {
		admin = append(admin, a.TCP) // the zero AddrPort, of a unix socket, overlaps nothing
	}
	servers := []server{
		{"http", c.HTTP.Enabled, c.HTTP.Listen}, {"https", c.HTTPS.Enabled, c.HTTPS.Listen},
		{"admin", true, admin}, {"metrics", true, c.Metrics.Listen},
	}
	type taken struct {
		path string
		addr netip.AddrPort
	}
	var all []taken
	for _, s := range servers {
		if !s.on {
			continue
		}
		for i, a := range s.addrs {
			at := fmt.Sprintf("%s.listen[%d]", s.path, i)
			for _, o := range all {
				if a.IsValid() && o.addr.IsValid() && overlap(a, o.addr) {
					r.problemPath(at, shownListen(a), "is the TCP address of %s", o.path)
					break
				}
			}
			all = append(all, taken{at, a})
		}
	}
	for _, s := range []server{{"tftp", c.TFTP.Enabled, c.TFTP.Listen}, {"syslog", c.Syslog.Enabled, c.Syslog.Listen}, servers[0], servers[1]} {
		if s.on && len(s.addrs) == 0 && !r.broken(s.path+".listen") {
			example := ":69"
			if s.path == "syslog" {
				example = ":514"
			}
			r.problemPath(s.path+".listen", "", "is empty: name an address such as %q, or set %s.enabled: false", example, s.path)
		}
	}
	if len(c.Admin.Listen) == 0 && !r.broken("admin.listen") {
		r.problemPath("admin.listen", "", "is empty: no command could reach the daemon; keep \"unix:/run/plugtone/admin.sock\"")
	}
	if seen := c.Admin.Listen; len(seen) > 1 {
		for i, a := range seen {
			if a.Unix != "" && slices.Contains(seen[:i], a) {
				r.problemPath(fmt.Sprintf("admin.listen[%d]", i), a.String(), "duplicate")
			}
		}
	}
}

// broken reports whether a problem of path, or of something in it, has been reported already.
func (r *reader) broken(path string) bool {
	return slices.ContainsFunc(r.Errors, func(f Problem) bool { return strings.HasPrefix(f.Key, path) })
}

func shownListen(a netip.AddrPort) string {
	if a.Addr().IsUnspecified() {
		return fmt.Sprintf(":%d", a.Port())
	}
	return a.String()
}

func (r *reader) checkCertificates(c *Config) {
	pair := func(path, cert, key, certName, keyName string) {
		for name, missing := range map[string]bool{certName: cert == "", keyName: key == ""} {
			if missing && cert != key && !r.broken(path+"."+name) {
				at := path + "." + name
				if !r.written(at) {
					r.Written[at] = r.Written[path]
				}
				r.problemPath(at, "", "is missing: a certificate and its key go together")
			}
		}
	}
	pair("https", c.HTTPS.CertFile, c.HTTPS.KeyFile, "cert_file", "key_file")
	tls := c.Admin.TLSCertFile != "" && c.Admin.TLSKeyFile != ""
	pair("admin", c.Admin.TLSCertFile, c.Admin.TLSKeyFile, "tls_cert_file", "tls_key_file")
	for i, a := range c.Admin.Listen {
		if a.TCP.IsValid() && !a.TCP.Addr().IsLoopback() && !tls {
			r.problemPath(fmt.Sprintf("admin.listen[%d]", i), shownListen(a.TCP),
				"anything but a unix socket and 127.0.0.1 needs admin.tls_cert_file and admin.tls_key_file, for tokens travel there")
		}
	}
}

// checkFiles looks whether the files and folders that are named are there.
func (r *reader) checkFiles(c *Config) {
	file := func(path, name string, dir bool) {
		if name == "" || dir && name == DefaultVendorDir {
			return
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
			r.problemPath(path, name, "%v", reason(err))
		case info.IsDir() != dir && dir:
			r.problemPath(path, name, "is no folder")
		case info.IsDir() != dir:
			r.problemPath(path, name, "is a folder, not a file")
		}
	}
	for i, d := range c.Provisioning.VendorDirs {
		file(fmt.Sprintf("provisioning.vendor_dirs[%d]", i), d, true)
	}
	if info, err := os.Stat(c.DataDir); err == nil && !info.IsDir() {
		r.problemPath("data_dir", c.DataDir, "is no folder")
	}
	file("https.cert_file", c.HTTPS.CertFile, false)
	file("https.key_file", c.HTTPS.KeyFile, false)
	file("admin.tls_cert_file", c.Admin.TLSCertFile, false)
	file("admin.tls_key_file", c.Admin.TLSKeyFile, false)
	for key, f := range c.Cluster.Etcd.files() {
		file("cluster.etcd."+key, f, false)
	}
	for vendor, f := range c.HTTPS.ClientCAFiles {
		file(yamlpos.Join("https.client_ca_files", vendor), f, false)
	}
}

// reason returns the last part of a path error, for messages that have the path already.
func reason(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}
