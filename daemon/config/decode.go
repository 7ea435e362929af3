package config

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"plugtone/dhcp"
	"plugtone/dhcp/wire"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
	"plugtone/provision/yamlpos"
)

const (
	day = 24 * time.Hour
	// minLease keeps phones from requesting their address more often than they are used.
	minLease = time.Minute
	// maxLease keeps clear of 0xffffffff seconds, which DHCP reads as "for ever" (RFC 2131, 3.3).
	maxLease = 3650 * day
	// unsetLease means "not written", whose default depends on lease_time.
	unsetLease = time.Duration(0)
	// defaultOtherLease is what a client that is no phone gets at most.
	defaultOtherLease = time.Hour
	// minTimeline holds the entries of a few thousand phones; maxTimeline is the largest file that a start can still check in seconds.
	minTimeline = 16 << 20
	minHistory  = time.Hour
	maxHistory  = 100 * 365 * 24 * time.Hour
	maxTimeline = 64 << 30
)

// proofs are the words of a trust list.
var proofs = [...]string{"lease", "credentials", "certificate", "neighbor", "address", "open"}

// Load reads and checks the file at path. A file without any key is refused. The error is Problems when the file could be read.
func Load(path string) (*Config, []Warning, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	c, warnings, err := Parse(path, data)
	if err == nil && len(c.where) == 0 {
		return nil, nil, Problems{{File: path, Line: 1, Column: 1, Allowed: "the file has no key: write at least \"data_dir: " + c.DataDir + "\""}}
	}
	return c, warnings, err
}

// Parse reads and checks what is written in data; path only names it. Files and folders that it names are looked at.
func Parse(path string, data []byte) (*Config, []Warning, error) {
	r := &reader{values: values{yamlpos.NewReader(path)}}
	c := Default()
	c.Path, c.where = path, r.Written
	ranges := map[int]*subnetPlaces{}
	if root := r.Parse(data, maxFile); root != nil && !yamlpos.IsNull(root) {
		r.root(root, c, ranges)
	}
	r.check(c, ranges)
	if len(r.Errors) > 0 {
		r.Errors.Sort()
		return nil, nil, r.Errors
	}
	return c, c.Warnings(), nil
}

func (r *reader) root(n *yaml.Node, c *Config, ranges map[int]*subnetPlaces) {
	r.Fields(n, "", map[string]yamlpos.Field{
		"data_dir":     r.toPath(&c.DataDir, false),
		"dhcp":         func(n *yaml.Node, at string) { r.dhcp(n, at, &c.DHCP, ranges) },
		"provisioning": func(n *yaml.Node, at string) { r.provisioning(n, at, &c.Provisioning) },
		"tftp":         func(n *yaml.Node, at string) { r.listener(n, at, &c.TFTP) },
		"http":         func(n *yaml.Node, at string) { r.listener(n, at, &c.HTTP) },
		"https": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"enabled":         r.toBool(&c.HTTPS.Enabled),
				"listen":          r.toListen(&c.HTTPS.Listen),
				"cert_file":       r.toPath(&c.HTTPS.CertFile, true),
				"key_file":        r.toPath(&c.HTTPS.KeyFile, true),
				"client_ca_files": func(n *yaml.Node, at string) { r.clientCAs(n, at, c.HTTPS.ClientCAFiles) },
			})
		},
		"admin": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"listen":        r.toAdminListen(&c.Admin.Listen),
				"hosts":         r.toHosts(&c.Admin.Hosts),
				"tls_cert_file": r.toPath(&c.Admin.TLSCertFile, true),
				"tls_key_file":  r.toPath(&c.Admin.TLSKeyFile, true),
			})
		},
		"metrics": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{"listen": r.toListen(&c.Metrics.Listen)})
		},
		"syslog": func(n *yaml.Node, at string) { r.listener(n, at, &c.Syslog) },
		"timeline": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"max_size":  r.toSize(&c.Timeline.MaxSize, minTimeline, maxTimeline),
				"per_phone": r.toInt(&c.Timeline.PerPhone, 10, 100_000),
				"strangers": r.toInt(&c.Timeline.Strangers, 1, 100_000),
			})
		},
		"history": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"keep": r.toDuration(&c.History.Keep, minHistory, maxHistory),
				"max":  r.toInt(&c.History.Max, 10, 1_000_000),
			})
		},
		"cluster":    func(n *yaml.Node, at string) { readCluster(r, n, at, &c.Cluster) },
		"pbx":        func(n *yaml.Node, at string) { r.pbx(n, at, &c.PBX) },
		"registrars": func(n *yaml.Node, at string) { r.registrars(n, at, &c.Registrars) },
		"log": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"level":  r.toWord(&c.Log.Level, "debug", "info", "warn", "error"),
				"format": r.toWord(&c.Log.Format, "text", "json"),
			})
		},
	})
}

func (r *reader) listener(n *yaml.Node, path string, l *Listener) {
	r.Fields(n, path, map[string]yamlpos.Field{"enabled": r.toBool(&l.Enabled), "listen": r.toListen(&l.Listen)})
}

// clientCAs reads a map of vendor id to file. The ids are checked against the packs later.
func (r *reader) clientCAs(n *yaml.Node, path string, dst map[string]string) {
	r.Pairs(n, path, func(key, value *yaml.Node, at string) {
		var file string
		if r.toPath(&file, true)(value, at); file != "" {
			dst[key.Value] = file
		}
	})
}

func (r *reader) dhcp(n *yaml.Node, path string, d *DHCP, ranges map[int]*subnetPlaces) {
	r.Fields(n, path, map[string]yamlpos.Field{
		"mode":           r.toWord(&d.Mode, dhcp.ModeServe, dhcp.ModeInform, dhcp.ModeOff),
		"authoritative":  r.toBool(&d.Authoritative),
		"conflict_check": r.toBool(&d.ConflictCheck),
		"subnets": func(n *yaml.Node, at string) {
			r.List(n, at, func(n *yaml.Node, at string) {
				s, places := defaultSubnet(), &subnetPlaces{at: at}
				r.subnet(n, at, &s, places)
				ranges[len(d.Subnets)] = places
				d.Subnets = append(d.Subnets, s)
			})
		},
	})
}

func (r *reader) subnet(n *yaml.Node, path string, s *fleet.Subnet, p *subnetPlaces) {
	r.Fields(n, path, map[string]yamlpos.Field{
		"subnet":           r.toPrefix(&s.Prefix, 8),
		"interface":        r.toInterface(&s.Interface),
		"phones":           r.toWord(&s.Phones, dhcp.PhonesProvision, dhcp.PhonesMove, dhcp.PhonesNone),
		"pools":            r.toRanges(&s.Pools, &p.pools),
		"exclude":          r.toRanges(&s.Exclude, &p.exclude),
		"trust":            r.toTrust(&s.Trust),
		"relays":           r.toAddrs(&s.Relays),
		"pin_port":         r.toBool(&s.PinPort),
		"routers":          r.toAddrs(&s.Routers),
		"dns_servers":      r.toAddrs(&s.DNSServers),
		"ntp_servers":      r.toAddrs(&s.NTPServers),
		"domain_name":      r.toDomain(&s.DomainName),
		"lease_time":       r.toDuration(&s.LeaseTime, minLease, maxLease),
		"other_lease_time": r.toDuration(&s.OtherLeaseTime, minLease, maxLease),
		"voice_vlan":       r.toInt(&s.VoiceVLAN, 0, 4094),
		"trust_option82":   r.toBool(&s.TrustOption82),
		"shared":           r.toBool(&s.Shared),
		"next_server":      r.toAddr(&s.NextServer),
		"provisioning_url": r.toURL(&s.ProvisioningURL),
		"settings":         func(n *yaml.Node, at string) { r.settings(n, at, s.Settings) },
		"options":          func(n *yaml.Node, at string) { r.options(n, at, s) },
	})
	if s.OtherLeaseTime == unsetLease {
		s.OtherLeaseTime = min(defaultOtherLease, s.LeaseTime)
	}
}

func (r *reader) provisioning(n *yaml.Node, path string, p *Provisioning) {
	r.Fields(n, path, map[string]yamlpos.Field{
		"trust": r.toTrust(&p.Trust),
		"networks": func(n *yaml.Node, at string) {
			r.List(n, at, func(n *yaml.Node, at string) {
				var w fleet.Network
				r.Fields(n, at, map[string]yamlpos.Field{"from": r.toPrefix(&w.From, 0), "trust": r.toTrust(&w.Trust)})
				for key, missing := range map[string]bool{"from": !w.From.IsValid(), "trust": w.Trust == nil} {
					if missing && !r.written(at+"."+key) {
						r.problemPath(at, "", "has no %s: a network is {from: 192.0.2.0/24, trust: [credentials]}", key)
					}
				}
				p.Networks = append(p.Networks, w)
			})
		},
		"new_phones": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"burst":      r.toInt(&p.NewPhones.Burst, 1, 1_000_000),
				"per_minute": r.toInt(&p.NewPhones.PerMinute, 0, 1_000_000),
			})
		},
		"step_up": r.toWord(&p.StepUp, "auto", "off", "always"),
		"resets": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{
				"burst":    r.toInt(&p.Resets.Burst, 0, 1_000_000),
				"per_hour": r.toInt(&p.Resets.PerHour, 0, 1_000_000),
			})
		},
		"pnp": func(n *yaml.Node, at string) {
			r.Fields(n, at, map[string]yamlpos.Field{"enabled": r.toBool(&p.PnP.Enabled), "interfaces": r.toInterfaces(&p.PnP.Interfaces)})
		},
		"upstream":           toUpstream(r.values, &p.Upstream),
		"unknown_phones":     r.toWord(&p.UnknownPhones, fleet.UnknownList, fleet.UnknownHold, fleet.UnknownIgnore),
		"time_zone":          r.toTimeZone(&p.TimeZone),
		"external_url":       r.toURL(&p.ExternalURL),
		"vendor_dirs":        r.toPaths(&p.VendorDirs),
		"experimental_packs": r.toIDs(&p.ExperimentalPacks),
		"settings":           func(n *yaml.Node, at string) { r.settings(n, at, p.Settings) },
	})
}

func (r *reader) written(path string) bool { _, ok := r.Written[path]; return ok }

func (r values) toTrust(dst *[]trust.Proof) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var words []string
		r.toWords(&words, proofs[:]...)(n, path)
		if words == nil {
			return
		}
		*dst = make([]trust.Proof, len(words))
		for i, w := range words {
			(*dst)[i] = trust.Proof(w)
		}
	}
}

func (r values) toPaths(dst *[]string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		out := []string{}
		r.List(n, path, func(n *yaml.Node, at string) {
			var s string
			r.toPath(&s, false)(n, at)
			out = append(out, s) // also after a problem, or the next would be at another's index
		})
		*dst = out
	}
}

// toIDs reads a list of vendor ids. They are checked against the packs later.
func (r values) toIDs(dst *[]string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var out []string
		r.List(n, path, func(n *yaml.Node, at string) {
			if s, ok := r.Scalar(n, at); ok && slices.Contains(out, s) {
				r.Errorf(n, at, "duplicate")
			} else if ok {
				out = append(out, s)
			}
		})
		*dst = out
	}
}

// toInterface reads a name as the kernel takes it (dev_valid_name).
func (r values) toInterface(dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		if !ok {
			return
		}
		if !validInterface(s) {
			r.Errorf(n, path, "an interface name: 1 to 15 characters without spaces, slashes and colons")
			return
		}
		*dst = s
	}
}

func validInterface(s string) bool {
	return s != "" && len(s) <= 15 && s != "." && s != ".." && printable(s) && !strings.ContainsAny(s, "/:")
}

// toHosts reads host names without repetition.
func (r values) toHosts(dst *[]string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		var out []string
		r.List(n, path, func(n *yaml.Node, at string) {
			s, ok := r.Scalar(n, at)
			switch {
			case !ok:
			case !setting.IsHost(s) || len(s) > 253:
				r.Errorf(n, at, "a host name without a port, such as phones.example.net")
			case slices.Contains(out, s):
				r.Errorf(n, at, "duplicate")
			default:
				out = append(out, s)
			}
		})
		*dst = out
	}
}

func (r values) toDomain(dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		if !ok || s == "" {
			return
		}
		if !setting.IsHost(s) || len(s) > 253 {
			r.Errorf(n, path, "a domain name such as voice.example.net")
			return
		}
		*dst = s
	}
}

// settings reads values of the catalogue.
func (r *reader) settings(n *yaml.Node, path string, dst setting.Values) {
	names := make([]string, 0, 64)
	for _, d := range setting.All() {
		names = append(names, d.Name)
	}
	r.Pairs(n, path, func(key, value *yaml.Node, at string) {
		d, known := setting.Lookup(key.Value)
		if !known {
			r.ErrorAt(key, at, "", "unknown setting"+yamlpos.Suggest(key.Value, names))
			return
		}
		if yamlpos.IsNull(value) {
			return
		}
		raw, err := asWritten(value, d)
		if err == nil {
			raw, err = d.Canonical(raw)
		}
		if err != nil {
			text := yamlpos.Text(value)
			if d.IsSecret() {
				text = ""
				r.Written[at] = yamlpos.Value{Pos: yamlpos.At(value)}
			}
			r.ErrorAt(value, at, text, d.Allowed())
			return
		}
		dst[key.Value] = raw
	})
}

// asWritten gives texts as they are in the file: a password of digits is no number, and "off" is no boolean.
func asWritten(n *yaml.Node, d setting.Def) (any, error) {
	var raw any
	switch {
	case d.Type == setting.Bool || d.Type == setting.Int:
		err := n.Decode(&raw)
		return raw, err
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case n.Kind == yaml.SequenceNode && !slices.ContainsFunc(n.Content, func(x *yaml.Node) bool { return yamlpos.Deref(x).Kind != yaml.ScalarNode }):
		texts := make([]string, len(n.Content))
		for i, x := range n.Content {
			texts[i] = yamlpos.Deref(x).Value
		}
		return texts, nil
	}
	return nil, fmt.Errorf("no value")
}

// options reads CODE: "TYPE VALUE".
func (r *reader) options(n *yaml.Node, path string, s *fleet.Subnet) {
	r.Pairs(n, path, func(key, value *yaml.Node, at string) {
		code, err := strconv.Atoi(key.Value)
		if err != nil || code < 1 || code > 254 {
			r.ErrorAt(key, at, "", "an option code is a number from 1 to 254")
			return
		}
		text, ok := r.Scalar(value, at)
		if !ok {
			return
		}
		// "text \"x\"" in the file would put the quotes into the phone.
		if word, rest, _ := strings.Cut(text, " "); word == "text" && quoted(strings.TrimSpace(rest)) {
			r.Errorf(value, at, "the inner quotes would be sent to the phones: write text VALUE without them")
			return
		}
		o, err := wire.ParseOption(uint8(code), text)
		if err != nil {
			r.Errorf(value, at, "%s", strings.TrimPrefix(err.Error(), fmt.Sprintf("option %d: ", code)))
			return
		}
		s.Options = append(s.Options, o)
	})
	slices.SortFunc(s.Options, func(a, b dhcp.Option) int { return int(a.Code) - int(b.Code) })
}

func quoted(s string) bool {
	return len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0]
}
