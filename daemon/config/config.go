// Package config reads plugtone's configuration file into typed values: strictly, every problem at once with file, line
// and column, and with warnings for what is allowed and will hurt all the same.
//
// It opens no sockets and starts nothing; daemon does. What depends on the vendor packs (is this a vendor id?) is
// checked by daemon, which reports it through Problem so that it looks the same.
package config

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbxroute"
	"plugtone/provision/pbxsync"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
	"plugtone/provision/yamlpos"
)

// DefaultPath is where the configuration file is looked for.
const DefaultPath = "/etc/plugtone/plugtone.yaml"

// DefaultVendorDir holds the packs of this machine's operator. It is the only vendor directory that may be missing.
const DefaultVendorDir = "/etc/plugtone/vendors"

// DefaultLease is the lease time of recognised phones unless the configuration sets another.
const DefaultLease = 8 * 24 * time.Hour

// Config is the whole configuration. Every value is checked and every default filled in.
type Config struct {
	Path         string // the file it was read from; "" when there is none
	DataDir      string
	DHCP         DHCP
	Provisioning Provisioning
	TFTP         Listener
	HTTP         Listener
	HTTPS        HTTPS
	Admin        Admin
	Metrics      Metrics
	Syslog       Listener
	Timeline     Timeline
	History      History
	Cluster      Cluster
	PBX          []pbxsync.Source
	Registrars   []pbxroute.Config
	Log          Log

	where map[string]yamlpos.Value // the place of each key that was written
}

// DHCP is the part about leases.
type DHCP struct {
	Mode          string // serve, inform or off
	Authoritative bool
	ConflictCheck bool
	Subnets       []fleet.Subnet
}

// Provisioning is the part about what phones are given.
type Provisioning struct {
	Trust             []trust.Proof
	Networks          []fleet.Network
	NewPhones         NewPhones
	StepUp            string // auto, off or always
	Resets            Resets
	PnP               PnP
	Upstream          Upstream
	UnknownPhones     string // list, hold or ignore
	TimeZone          string // IANA name
	ExternalURL       string // ends in "/"; "" for that of DHCP
	VendorDirs        []string
	ExperimentalPacks []string
	Settings          setting.Values
}

// NewPhones bounds how many never-seen MACs may be bound before the lease proof is frozen for new ones.
type NewPhones struct{ Burst, PerMinute int }

// Resets bounds, for each subnet, how many phones that have used credentials before are served on their lease alone.
type Resets struct{ Burst, PerHour int }

// PnP is the responder of SIP PnP.
type PnP struct {
	Enabled    bool
	Interfaces []string // none: those of the subnets
}

// Listener is a plain file server, or the receiver of phones' logs.
type Listener struct {
	Enabled bool
	Listen  []netip.AddrPort // the zero address means all
}

// SyslogPort returns the port on which phones can log; 0 while they can't.
func (c *Config) SyslogPort() uint16 {
	if !c.Syslog.Enabled || len(c.Syslog.Listen) == 0 {
		return 0
	}
	return c.Syslog.Listen[0].Port()
}

// HTTPS is the file server with certificates.
type HTTPS struct {
	Enabled       bool
	Listen        []netip.AddrPort
	CertFile      string
	KeyFile       string
	ClientCAFiles map[string]string // vendor id to file; no empty files
}

// Admin is where the API and its socket listen.
type Admin struct {
	Listen      []AdminAddr
	Hosts       []string // further host names under which the API and the metrics may be reached
	TLSCertFile string
	TLSKeyFile  string
}

// AdminAddr is a unix socket or a TCP address.
type AdminAddr struct {
	Unix string // path; "" for TCP
	TCP  netip.AddrPort
}

// String prints a as it is written in the file.
func (a AdminAddr) String() string {
	if a.Unix != "" {
		return "unix:" + a.Unix
	}
	return a.TCP.String()
}

// Metrics is where /metrics is served alone.
type Metrics struct{ Listen []netip.AddrPort }

// Timeline bounds what is stored of phones' histories.
type Timeline struct {
	MaxSize   int64 // bytes of events.db
	PerPhone  int   // entries of each phone with a record
	Strangers int   // phones without a record
}

// History bounds the changes that are kept.
type History struct {
	Keep time.Duration
	Max  int // changes
}

// Log is the level and format of the log.
type Log struct{ Level, Format string }

// Default is the configuration of an empty file.
func Default() *Config {
	any4 := netip.IPv4Unspecified()
	return &Config{
		DataDir: "/var/lib/plugtone",
		DHCP:    DHCP{Mode: dhcp.ModeServe, Authoritative: true, ConflictCheck: true},
		Provisioning: Provisioning{
			Trust:         []trust.Proof{trust.ProofLease, trust.ProofCredentials, trust.ProofCertificate},
			NewPhones:     NewPhones{Burst: 200, PerMinute: 20},
			StepUp:        "auto",
			Resets:        Resets{Burst: 5, PerHour: 5},
			Upstream:      Upstream{Timeout: 3 * time.Second, MaxSize: 1 << 20},
			UnknownPhones: fleet.UnknownList,
			TimeZone:      "UTC",
			VendorDirs:    []string{DefaultVendorDir},
			Settings:      setting.Values{},
		},
		TFTP:  Listener{Enabled: true, Listen: []netip.AddrPort{netip.AddrPortFrom(any4, 69)}},
		HTTP:  Listener{Enabled: true, Listen: []netip.AddrPort{netip.AddrPortFrom(any4, 80)}},
		HTTPS: HTTPS{Listen: []netip.AddrPort{netip.AddrPortFrom(any4, 443)}, ClientCAFiles: map[string]string{}},
		Admin: Admin{Listen: []AdminAddr{
			{Unix: "/run/plugtone/admin.sock"},
			{TCP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8067)},
		}},
		Syslog:   Listener{Listen: []netip.AddrPort{netip.AddrPortFrom(any4, 514)}},
		Timeline: Timeline{MaxSize: 256 << 20, PerPhone: 200, Strangers: 1000},
		History:  History{Keep: 90 * 24 * time.Hour, Max: 10_000},
		Cluster:  Cluster{KeyFile: DefaultClusterKey, Etcd: Etcd{Prefix: "/plugtone/"}, Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), 8068), Copies: CopiesAll},
		Log:      Log{Level: "info", Format: "text"},
	}
}

// defaultSubnet is a subnet of which only the prefix is written.
func defaultSubnet() fleet.Subnet {
	return fleet.Subnet{Subnet: dhcp.Subnet{Phones: "provision", LeaseTime: DefaultLease}, Settings: setting.Values{}}
}

// Problem is one thing wrong with the configuration. It prints as file:line:column: key: "text": what is allowed.
type Problem = yamlpos.Error

// Problems is everything wrong with the configuration, in the order of the file.
type Problems = yamlpos.Errors

// Warning is something that is allowed and will hurt. It prints as a Problem does.
type Warning Problem

func (w Warning) String() string { return Problem(w).Error() }

// ProblemAt returns a problem of the key at path, at the place where it was written, for checks of other packages.
func (c *Config) ProblemAt(path, allowed string) Problem {
	p := c.where[path]
	return Problem{File: c.Path, Line: p.Line, Column: p.Column, Key: path, Text: p.Text, Allowed: allowed}
}

// Written reports whether the key at path is in the file.
func (c *Config) Written(path string) bool { _, ok := c.where[path]; return ok }
