package config

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"plugtone/dhcp"
	"plugtone/provision/setting"
	"plugtone/provision/yamlpos"
)

func (r values) toDuration(dst *time.Duration, low, high time.Duration) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		d, err := setting.ParseDuration(yamlpos.Text(n))
		if n.Kind != yaml.ScalarNode || err != nil {
			r.Errorf(n, path, "a duration such as 90s, 15m, 1h30m or 8d")
			return
		}
		if v := time.Duration(d); v < low || v > high {
			r.Errorf(n, path, "a duration from %s to %s", setting.Duration(low), setting.Duration(high))
			return
		}
		*dst = time.Duration(d)
	}
}

// sizeUnits are the units of toSize.
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}

// toSize reads a number of bytes with a binary unit, such as 256MiB.
func (r values) toSize(dst *int64, low, high int64) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		v, ok := parseSize(yamlpos.Text(n))
		switch {
		case n.Kind != yaml.ScalarNode || !ok:
			r.Errorf(n, path, "a whole number with KiB, MiB or GiB, such as 256MiB")
		case v < low || v > high:
			r.Errorf(n, path, "a size from %s to %s", showSize(low), showSize(high))
		default:
			*dst = v
		}
	}
}

func parseSize(s string) (int64, bool) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		return v * u.bytes, err == nil && v >= 0 && v <= math.MaxInt64/u.bytes
	}
	return 0, false
}

// showSize prints n in the largest unit that divides it.
func showSize(n int64) string {
	u := sizeUnits[0]
	for _, larger := range sizeUnits[1:] {
		if n%larger.bytes == 0 {
			u = larger
		}
	}
	return fmt.Sprintf("%d%s", n/u.bytes, u.name)
}

func (r values) toAddr(dst *netip.Addr) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		if a, ok := r.addr(n, path); ok {
			*dst = a
		}
	}
}

func (r values) addr(n *yaml.Node, path string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(yamlpos.Text(n))
	if n.Kind != yaml.ScalarNode || err != nil || !a.Is4() {
		r.Errorf(n, path, "an IPv4 address such as 10.20.0.1")
		return netip.Addr{}, false
	}
	return a, true
}

func (r values) toAddrs(dst *[]netip.Addr) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var out []netip.Addr
		r.List(n, path, func(n *yaml.Node, at string) {
			a, _ := r.addr(n, at)
			out = append(out, a) // the zero address after a problem, or the next would be at another's index
		})
		*dst = out
	}
}

// toPrefix reads a network. Host bits are refused: they are more often a slip than a wish.
func (r values) toPrefix(dst *netip.Prefix, minBits int) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		p, err := netip.ParsePrefix(yamlpos.Text(n))
		switch {
		case n.Kind != yaml.ScalarNode || err != nil || !p.Addr().Is4():
			r.Errorf(n, path, "an IPv4 network such as 10.20.0.0/22")
		case p != p.Masked():
			r.Errorf(n, path, "has host bits: the network is %s", p.Masked())
		case p.Bits() < minBits || p.Bits() > 32:
			r.Errorf(n, path, "a network from /%d to /32", minBits)
		default:
			*dst = p
		}
	}
}

// toRanges reads addresses and ranges, and notes at dst's side where each was written.
func (r values) toRanges(dst *[]dhcp.Range, paths *[]string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var out []dhcp.Range
		r.List(n, path, func(n *yaml.Node, at string) {
			v, err := dhcp.ParseRange(yamlpos.Text(n))
			if n.Kind != yaml.ScalarNode || err != nil {
				r.Errorf(n, at, "an address or a range such as 10.20.1.0-10.20.3.250, lower address first")
				return
			}
			out = append(out, v)
			*paths = append(*paths, at)
		})
		*dst = out
	}
}

// toListen reads ":69", "10.20.0.2:69" or "127.0.0.1:8080".
func (r values) toListen(dst *[]netip.AddrPort) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var out []netip.AddrPort
		r.List(n, path, func(n *yaml.Node, at string) {
			a, err := parseListen(yamlpos.Text(n))
			switch {
			case n.Kind != yaml.ScalarNode || err != nil:
				r.Errorf(n, at, "\":PORT\" or \"ADDRESS:PORT\" with an IPv4 address of this host, such as \":69\" or \"10.20.0.2:69\"")
				out = append(out, netip.AddrPort{})
			case contains(out, a):
				r.Errorf(n, at, "listens on the same address and port as another entry of the list")
				out = append(out, netip.AddrPort{})
			default:
				out = append(out, a)
			}
		})
		*dst = out
	}
}

func contains(all []netip.AddrPort, a netip.AddrPort) bool {
	for _, x := range all {
		if overlap(x, a) {
			return true
		}
	}
	return false
}

// overlap reports whether two sockets can't both be opened. Port 0 is any free port.
func overlap(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Port() != 0 && (a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

func parseListen(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("no port")
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Is4() {
		return netip.AddrPort{}, fmt.Errorf("no IPv4 address")
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

func (r values) toAdminListen(dst *[]AdminAddr) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var out []AdminAddr
		r.List(n, path, func(n *yaml.Node, at string) {
			s := yamlpos.Text(n)
			if p, isUnix := strings.CutPrefix(s, "unix:"); isUnix && n.Kind == yaml.ScalarNode {
				// A longer path doesn't fit into the kernel's sockaddr_un.
				if !filepath.IsAbs(p) || len(p) > 107 {
					r.Errorf(n, at, "unix: and an absolute path of at most 107 characters")
					out = append(out, AdminAddr{})
					return
				}
				out = append(out, AdminAddr{Unix: p})
				return
			}
			a, err := parseListen(s)
			if n.Kind != yaml.ScalarNode || err != nil {
				r.Errorf(n, at, "\"unix:/PATH\" or \"ADDRESS:PORT\" with an IPv4 address of this host, such as \"127.0.0.1:8067\"")
				out = append(out, AdminAddr{})
				return
			}
			out = append(out, AdminAddr{TCP: a})
		})
		*dst = out
	}
}

// toPath reads an absolute path. The file itself is looked at later, once all problems of form are known.
func (r values) toPath(dst *string, mayBeEmpty bool) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		if !ok {
			return
		}
		if !(s == "" && mayBeEmpty) && !filepath.IsAbs(s) {
			r.Errorf(n, path, "an absolute path, such as /var/lib/plugtone")
			return
		}
		*dst = s
	}
}

// toURL reads the base that file names are appended to; the slash at its end is added when it is missing.
func (r values) toURL(dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		if !ok || s == "" {
			return
		}
		if why := badURL(s); why != "" {
			r.Errorf(n, path, "%s; a base such as http://10.20.0.2/ or https://prov.example.net/", why)
			return
		}
		*dst = strings.TrimSuffix(s, "/") + "/"
	}
}

func badURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "not a URL"
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "tftp":
		return "begins with none of http://, https://, tftp://"
	case u.Host == "" || u.Hostname() == "":
		return "names no host"
	case u.User != nil:
		return "has a user or password, which DHCP would send to every host"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "has a query or fragment, but file names are appended to it"
	case strings.ContainsAny(s, " \t\"'<>\\") || !printable(s):
		return "has a space, quote, backslash or control character"
	case len(s) > 200:
		return "is longer than 200 characters, which a DHCP reply has no room for"
	case strings.Contains(u.Host, ":") && u.Port() == "":
		return "has an empty port"
	case u.Port() != "" && !isPort(u.Port()):
		return "has a port outside 1-65535"
	}
	return ""
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return true
}

// toTimeZone reads an IANA name that is in Go's tables.
func (r values) toTimeZone(dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		if !ok {
			return
		}
		if _, err := time.LoadLocation(s); err != nil || s == "" || s == "Local" {
			r.Errorf(n, path, "an IANA time zone such as Europe/Berlin, America/New_York or UTC")
			return
		}
		*dst = s
	}
}
