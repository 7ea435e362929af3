// Package api has the operations of the admin API, one file for each resource. An operation reads the records, or changes them in one
// edit, and answers errors as problem documents. Package admin has the listeners and the authentication.
package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/admin/feed"
	"plugtone/admin/merging"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/deviceindex"
	"plugtone/provision/devicestatus"
	"plugtone/provision/diagnosis"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
)

// Phones renders the files of phones and reports their status. *provision.Service implements it.
type Phones interface {
	Files(ctx context.Context, mac dhcp.MAC, subnet netip.Prefix) ([]provision.FileInfo, error)
	Masked(ctx context.Context, mac dhcp.MAC) ([]provision.FileContent, error)
	File(ctx context.Context, mac dhcp.MAC, name string, subnet netip.Prefix, reveal bool) (provision.FileContent, error)
	Status(ctx context.Context, mac dhcp.MAC) (devicestatus.Status, error)
	States() devicestatus.Reader
	Explain(ctx context.Context, q provision.Question) (provision.Explanation, error)
	Rendering() resolve.Rendering // its Validate is called before a change is stored
}

// Leases reads and deletes leases.
type Leases interface {
	All() []dhcp.Lease
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
	LeaseAt(addr netip.Addr) (dhcp.Lease, bool) // the active lease of an address
	Delete(ctx context.Context, addr netip.Addr) error
}

// Events reads the timelines of phones and their last fetches.
type Events interface {
	Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) // the newest, newest last
	PhoneLog(mac dhcp.MAC, limit int) ([]timeline.Entry, error) // what the phone has logged, likewise
	Fetches(mac dhcp.MAC) ([]fleet.Fetch, error)
}

// Discovered lists phones without a device record. The store implements it.
type Discovered interface {
	DiscoveredPhones() ([]fleet.Discovered, error)
	ForgetPhone(mac dhcp.MAC) error
}

// Audit is the log of changes with their authors. The store implements it.
type Audit interface {
	Audit(before uint64, limit int) ([]fleet.AuditEntry, error) // entries with an id below before, newest first; 0: all
	RecordAudit(e fleet.AuditEntry) error
}

// Tokens stores bearer tokens by their digest. The store implements it.
type Tokens interface {
	Tokens() ([]fleet.Token, error)
	PutToken(actor string, t fleet.Token) error
	DeleteToken(actor, name string) error
	TokenByHash(hash string) (fleet.Token, error)
}

// Trust opens and lists windows in which files need no proof. *provision.Service implements it.
type Trust interface {
	Enroll(mac dhcp.MAC, from netip.Prefix, length time.Duration) (trust.Window, error) // a zero MAC: all phones
	Windows() []trust.Window
	ServerURL() string // URL that phones fetch their files from
}

// Config has the dependencies of the operations. All members are required.
type Config struct {
	Now func() time.Time
	Log *slog.Logger

	Records    fleet.Records
	Phones     Phones
	Index      *deviceindex.Index // what devices are listed and selected by
	Packs      func() *pack.Set   // the current packs
	Leases     Leases
	Events     Events
	Discovered Discovered
	Audit      Audit
	Changes    fleet.Changes
	Tokens     Tokens
	Trust      Trust
	Feed       *feed.Feed      // new timeline entries
	Members    merging.Members // of the cluster; nil: a single appliance
	Diagnose   func(_ context.Context, _ dhcp.MAC, others []timeline.Entry) ([]diagnosis.Finding, error)

	Site  func() *fleet.Site // the configuration in force
	Files *os.Root           // data_dir/files, which settings name files of; nil: none
	// Preview returns a renderer of the files that phones would get from other records than the daemon's.
	Preview func(fleet.Records) (impact.Renderer, error)

	Subnets func() []client.Subnet // in the order of the configuration
	Status  func() client.DaemonStatus
	Ready   func() error                                // nil when everything runs
	Reload  func(ctx context.Context, force bool) error // force: also when phones lose their subnet
	Backup  func(w io.Writer, withFiles bool) error
	// Memory lets the process use this many bytes more until done is called; nil: it may use as much as it needs.
	Memory func(bytes int64) (done func())
}

// core has what the handlers of all resources use.
type core struct {
	Config
	api    huma.API
	writer writing.Writer
	salt   string // of the digests that callers without the role for secrets get
}

// Register adds all operations to an API.
func Register(api huma.API, c Config) {
	s := &core{Config: c, api: api, writer: c.Writer(), salt: rand.Text()}
	for _, resource := range []interface{ register() }{
		registrars{s}, extensions{s}, devices{s}, deviceFiles{s}, discovery{s}, explain{s}, profiles{s}, network{s}, vendors{s},
		events{s}, operation{s}, tokens{s}, trustWindows{s},
	} {
		resource.register()
	}
}

// Writer returns what changes the records for the operations.
func (c Config) Writer() writing.Writer {
	return writing.Writer{Records: c.Records, Site: c.Site, Before: c.Phones, After: c.Preview, Followers: c.Index.Followers}
}

// Missing returns an error that names a member that is not set, nil when all are.
func (c Config) Missing() error {
	for _, m := range []struct {
		name string
		ok   bool
	}{
		{"Now", c.Now != nil}, {"Log", c.Log != nil}, {"Records", c.Records != nil}, {"Phones", c.Phones != nil}, {"Index", c.Index != nil},
		{"Packs", c.Packs != nil}, {"Leases", c.Leases != nil}, {"Events", c.Events != nil},
		{"Discovered", c.Discovered != nil}, {"Audit", c.Audit != nil}, {"Tokens", c.Tokens != nil}, {"Trust", c.Trust != nil},
		{"Feed", c.Feed != nil}, {"Changes", c.Changes != nil}, {"Site", c.Site != nil}, {"Preview", c.Preview != nil}, {"Subnets", c.Subnets != nil}, {"Status", c.Status != nil}, {"Ready", c.Ready != nil},
		{"Reload", c.Reload != nil}, {"Backup", c.Backup != nil},
	} {
		if !m.ok {
			return fmt.Errorf("admin configuration lacks %s", m.name)
		}
	}
	return nil
}
