// Package admin is the way in for operators: the API with its OpenAPI document and readable page, tokens and roles,
// and the listeners it stands on. It turns requests into one edit of the records and errors into problem documents.
//
// It decides nothing about phones (provision does), keeps nothing (store does) and reads no configuration file
// (daemon does): all of them come in through Config.
package admin

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/timeline"
)

// Phones tells what phones are given and how they stand. provision.Service is one.
type Phones interface {
	Files(ctx context.Context, mac dhcp.MAC, subnet netip.Prefix) ([]provision.FileInfo, error)
	File(ctx context.Context, mac dhcp.MAC, name string, subnet netip.Prefix, reveal bool) (provision.FileContent, error)
	Status(ctx context.Context, mac dhcp.MAC) (provision.Status, error)
	Explain(ctx context.Context, q provision.Question) (provision.Explanation, error)
	Renders(f fleet.View, macs []dhcp.MAC) error // whether their files can be written as f has them
}

// Leases is the lease table. dhcp.Table is one.
type Leases interface {
	All() []dhcp.Lease
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
	Delete(ctx context.Context, addr netip.Addr) error
}

// Events is what happened to phones. store.Store is one.
type Events interface {
	Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error)
	Fetches(mac dhcp.MAC) ([]fleet.Fetch, error)
}

// Discovered is the list of phones without a record. store.Store is one.
type Discovered interface {
	DiscoveredPhones() ([]fleet.Discovered, error)
	ForgetPhone(mac dhcp.MAC) error
}

// Audit is the log of who did what, and the revisions that can be gone back to. store.Store is one.
type Audit interface {
	Audit(after uint64, limit int) ([]fleet.AuditEntry, error)
	RecordAudit(e fleet.AuditEntry) error
	History(mac dhcp.MAC) ([]fleet.DeviceRevision, error)
}

// Tokens keeps bearer tokens by their digest. store.Store is one.
type Tokens interface {
	Tokens() ([]fleet.Token, error)
	PutToken(actor string, t fleet.Token) error
	DeleteToken(actor, name string) error
	TokenByHash(hash string) (fleet.Token, error)
}

// Config is everything a Server needs. All members are required but those said to be optional.
type Config struct {
	Listen []string        // unix:PATH or HOST:PORT
	Hosts  func() []string // optional; names of this host that a Host header may have, beside addresses and localhost
	TLS    *tls.Config     // optional; needed for TCP addresses that aren't loopback
	Now    func() time.Time
	Log    *slog.Logger

	Version    string
	Records    fleet.Records
	Phones     Phones
	Packs      func() *pack.Set // those in force now
	Leases     Leases
	Events     Events
	Discovered Discovered
	Audit      Audit
	Tokens     Tokens
	Trust      Trust
	Feed       *Feed // timeline entries as they happen

	Subnets func() []client.Subnet // in the order of the configuration
	Status  func() client.DaemonStatus
	Ready   func() error                                // nil when everything runs
	Reload  func(ctx context.Context, force bool) error // force: also when phones lose their subnet
	Backup  func(w io.Writer) error
	Metrics prometheus.Gatherer
}

// Server is the admin API.
type Server struct {
	cfg     Config
	api     huma.API
	mux     *http.ServeMux
	openapi []byte
	listen  []listenAddr
	salt    string // of digests for those who may not see secrets
}

// New checks c and builds the API. Nothing listens before Run.
func New(c Config) (*Server, error) {
	listen, errs := parseListen(c.Listen, c.TLS != nil)
	if miss := c.missing(); miss != nil {
		errs = append(errs, miss)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := &Server{cfg: c, mux: http.NewServeMux(), listen: listen, salt: rand.Text()}
	if err := s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}
