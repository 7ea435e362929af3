package config

import (
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// DefaultClusterKey is the key file of a cluster unless the configuration names another.
const DefaultClusterKey = "/etc/plugtone/cluster.key"

// Cluster is how this appliance takes part in a cluster.
type Cluster struct {
	Name    string // of this member; "" without a cluster
	Etcd    Etcd
	KeyFile string // encrypts what is in etcd

	Listen    netip.AddrPort // for the other members; the zero address means all
	Advertise string         // HOST or HOST:PORT that they use; "": the address towards etcd
	Copies    string         // of which members uploads and fetches are copied: CopiesAll, CopiesShared or CopiesNone
}

// Of which members this one copies what they have received from phones.
const (
	CopiesAll    = "all"
	CopiesShared = "shared" // those that share a subnet with this one
	CopiesNone   = "none"
)

// Etcd is how etcd is reached.
type Etcd struct {
	Endpoints                 []string // URLs; none: there is no cluster
	CAFile, CertFile, KeyFile string
	Username, PasswordFile    string
	Prefix                    string // of all keys; begins and ends in "/"
}

// Enabled reports whether this appliance is a member of a cluster.
func (c Cluster) Enabled() bool { return len(c.Etcd.Endpoints) > 0 }

// files are the files that must exist, by key.
func (e Etcd) files() map[string]string {
	return map[string]string{"ca_file": e.CAFile, "cert_file": e.CertFile, "key_file": e.KeyFile, "password_file": e.PasswordFile}
}

// readCluster reads the part about the cluster.
func readCluster(r *reader, n *yaml.Node, path string, c *Cluster) {
	e := &c.Etcd
	r.Fields(n, path, map[string]yamlpos.Field{
		"name": r.toName(&c.Name),
		"etcd": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"endpoints":     toEndpoints(r.values, &e.Endpoints),
				"ca_file":       r.toPath(&e.CAFile, true),
				"cert_file":     r.toPath(&e.CertFile, true),
				"key_file":      r.toPath(&e.KeyFile, true),
				"username":      r.toText(&e.Username),
				"password_file": r.toPath(&e.PasswordFile, true),
				"prefix":        toPrefixOfKeys(r.values, &e.Prefix),
			})
		},
		"key_file":  r.toPath(&c.KeyFile, false),
		"listen":    toOneListen(r.values, &c.Listen),
		"advertise": toAdvertise(r.values, &c.Advertise),
		"copies":    r.toWord(&c.Copies, CopiesAll, CopiesShared, CopiesNone),
	})
	if c.Name == "" && !r.broken(path+".name") {
		c.Name, _ = os.Hostname() // an empty one is refused below
	}
	checkCluster(r, path, c)
}

// checkCluster refuses a cluster that is not complete.
func checkCluster(r *reader, path string, c *Cluster) {
	e := c.Etcd
	if c.Name == "" && !r.broken(path+".name") {
		r.problemPath(path, "", "has no name, and this host has none: write name: voice-a")
	}
	if len(e.Endpoints) == 0 && !r.broken(path) {
		r.problemPath(path, "", "has no etcd.endpoints: write etcd: {endpoints: [https://10.0.0.1:2379]}, or leave cluster out for a single appliance")
	}
	for _, pair := range [][2]struct{ key, value string }{
		{{"cert_file", e.CertFile}, {"key_file", e.KeyFile}}, {{"username", e.Username}, {"password_file", e.PasswordFile}},
	} {
		if (pair[0].value == "") != (pair[1].value == "") && !r.broken(path+".etcd") {
			r.problemPath(path+".etcd", "", "%s and %s go together: write both or none", pair[0].key, pair[1].key)
		}
	}
}

// toEndpoints reads URLs of etcd's client ports.
func toEndpoints(r values, dst *[]string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var out []string
		r.List(n, path, func(n *yaml.Node, at string) {
			s, ok := r.Scalar(n, at)
			u, err := url.Parse(s)
			switch {
			case !ok:
			case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
				r.Errorf(n, at, "the URL of an etcd server's client port, such as https://10.0.0.1:2379")
			case slices.Contains(out, s):
				r.Errorf(n, at, "duplicate")
			case len(out) > 0 && !strings.HasPrefix(out[0], u.Scheme+":"):
				r.Errorf(n, at, "all endpoints begin with https://, or all with http://")
			default:
				out = append(out, s)
			}
		})
		*dst = out
	}
}

// toOneListen reads ":8068" or "10.20.0.2:8068".
func toOneListen(r values, dst *netip.AddrPort) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		a, err := parseListen(s)
		switch {
		case !ok:
		case err != nil:
			r.Errorf(n, path, "\":PORT\" or \"ADDRESS:PORT\" with an IPv4 address of this host, such as \":8068\"")
		default:
			*dst = a
		}
	}
}

// toAdvertise reads the address of this member that others use.
func toAdvertise(r values, dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		u, err := url.Parse("https://" + s)
		switch {
		case !ok:
		case s != "" && (err != nil || u.Host != s || u.Hostname() == "" || strings.HasSuffix(s, ":")):
			r.Errorf(n, path, "HOST or HOST:PORT, such as 10.20.0.2 or voice-a.example.net:8068")
		default:
			*dst = s
		}
	}
}

// toPrefixOfKeys reads what keys begin with. A slash at its end is added when it is missing.
func toPrefixOfKeys(r values, dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		switch {
		case !ok:
		case !strings.HasPrefix(s, "/") || !printable(s) || len(s) > 200:
			r.Errorf(n, path, "a prefix of keys such as /plugtone/, without spaces")
		default:
			*dst = strings.TrimSuffix(s, "/") + "/"
		}
	}
}
