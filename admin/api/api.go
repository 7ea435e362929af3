// Package api has the operations of the admin API, one file for each resource. It turns a request into one edit of the records, or a
// read, and errors into problem documents. Listeners and authentication are package admin's; what phones are given is decided in provision.
package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/feed"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

// Phones answers what phones are given and what their status is. provision.Service is one.
type Phones interface {
	Files(ctx context.Context, mac dhcp.MAC, subnet netip.Prefix) ([]provision.FileInfo, error)
	File(ctx context.Context, mac dhcp.MAC, name string, subnet netip.Prefix, reveal bool) (provision.FileContent, error)
	Status(ctx context.Context, mac dhcp.MAC) (provision.Status, error)
	Explain(ctx context.Context, q provision.Question) (provision.Explanation, error)
	ValidateRendering(f fleet.View, macs []dhcp.MAC) error // an error if their files can't be rendered from f
}

// Leases is the lease table. dhcp.Table is one.
type Leases interface {
	All() []dhcp.Lease
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
	Delete(ctx context.Context, addr netip.Addr) error
}

// Events is what happened to phones.
type Events interface {
	Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error)
	Fetches(mac dhcp.MAC) ([]fleet.Fetch, error)
}

// Discovered is the list of phones without a record. The store has it.
type Discovered interface {
	DiscoveredPhones() ([]fleet.Discovered, error)
	ForgetPhone(mac dhcp.MAC) error
}

// Audit is the log of changes with their authors, and the revisions of devices. The store has it.
type Audit interface {
	Audit(before uint64, limit int) ([]fleet.AuditEntry, error)
	RecordAudit(e fleet.AuditEntry) error
	History(mac dhcp.MAC) ([]fleet.DeviceRevision, error)
}

// Tokens stores bearer tokens by their digest. The store has it.
type Tokens interface {
	Tokens() ([]fleet.Token, error)
	PutToken(actor string, t fleet.Token) error
	DeleteToken(actor, name string) error
	TokenByHash(hash string) (fleet.Token, error)
}

// Trust opens windows in which files need no proof. provision.Service is one.
type Trust interface {
	Enroll(mac dhcp.MAC, from netip.Prefix, length time.Duration) (trust.Window, error)
	Windows() []trust.Window
	ServerURL() string // where phones go for their files
}

// Config is what the operations need. All members are required.
type Config struct {
	Now func() time.Time
	Log *slog.Logger

	Records    fleet.Records
	Phones     Phones
	Packs      func() *pack.Set // those in force now
	Leases     Leases
	Events     Events
	Discovered Discovered
	Audit      Audit
	Tokens     Tokens
	Trust      Trust
	Feed       *feed.Feed // timeline entries as they happen

	Subnets func() []client.Subnet // in the order of the configuration
	Status  func() client.DaemonStatus
	Ready   func() error                                // nil when everything runs
	Reload  func(ctx context.Context, force bool) error // force: also when phones lose their subnet
	Backup  func(w io.Writer) error
}

// core is what all resources share.
type core struct {
	Config
	api  huma.API
	salt string // of digests for callers who may not see secrets
}

// Register adds all operations to an API.
func Register(api huma.API, c Config) {
	s := &core{Config: c, api: api, salt: rand.Text()}
	for _, resource := range []interface{ register() }{
		registrars{s}, extensions{s}, devices{s}, deviceFiles{s}, discovery{s}, explain{s}, profiles{s}, network{s}, vendors{s},
		events{s}, operation{s}, tokens{s}, trustWindows{s},
	} {
		resource.register()
	}
}

// Limits of a request's body.
const (
	maxBody     = 1 << 20 // bytes
	bodyTimeout = 30 * time.Second
)

// op describes one operation.
func op(method, path, id, tag, summary string, need access.Role) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{tag},
		Metadata: access.Need(need), Security: []map[string][]string{{"token": {}}},
		MaxBodyBytes: maxBody, BodyReadTimeout: bodyTimeout,
		Description: "Needs the role " + need.String() + ".",
	}
}

// Missing returns an error that names a member that c lacks, nil when it is complete.
func (c Config) Missing() error {
	for _, m := range []struct {
		name string
		ok   bool
	}{
		{"Now", c.Now != nil}, {"Log", c.Log != nil}, {"Records", c.Records != nil}, {"Phones", c.Phones != nil},
		{"Packs", c.Packs != nil}, {"Leases", c.Leases != nil}, {"Events", c.Events != nil},
		{"Discovered", c.Discovered != nil}, {"Audit", c.Audit != nil}, {"Tokens", c.Tokens != nil}, {"Trust", c.Trust != nil},
		{"Feed", c.Feed != nil}, {"Subnets", c.Subnets != nil}, {"Status", c.Status != nil}, {"Ready", c.Ready != nil},
		{"Reload", c.Reload != nil}, {"Backup", c.Backup != nil},
	} {
		if !m.ok {
			return fmt.Errorf("admin configuration lacks %s", m.name)
		}
	}
	return nil
}
