package provision

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/registration"
	"plugtone/provision/setting"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
	"plugtone/provision/uploads"
)

// Leases is what provisioning reads from the lease table. Both calls must be quick and must not wait for a disk.
type Leases interface {
	LeaseAt(addr netip.Addr) (dhcp.Lease, bool) // confirmed leases only
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
}

// Config is everything that a Service needs.
type Config struct {
	Records fleet.Records
	Leases  Leases                                    // nil: no leases, no proof by them
	Packs   func() *pack.Set                          // the packs in force
	Site    func() *fleet.Site                        // the configuration in force
	Fetches func(mac dhcp.MAC) ([]fleet.Fetch, error) // last fetches; nil: never fetched
	// Timeline gives a phone's last entries, oldest first; nil: no device is shown as refused.
	Timeline func(mac dhcp.MAC, limit int) ([]timeline.Entry, error)
	Files    *os.Root                               // data_dir/files; nil: no static files
	Uploads  *uploads.Store                         // data_dir/uploads; nil: no uploads are taken
	Neighbor func(addr netip.Addr) (dhcp.MAC, bool) // the kernel's neighbour table; nil: never known
	Event    func(trust.Event)                      // receives each security event; it must not wait. nil: dropped
	// Used receives each phone that has used its new password: fleet.RetirePasswords removes the old one. It must not wait.
	Used     func(mac dhcp.MAC, password setting.Secret)
	NonceKey []byte            // signs what phones are challenged with; the same on all members of a cluster. nil: one is made
	Probe    trust.Prober      // checks whether a phone still answers at its old address; nil: nothing does
	Windows  trust.WindowStore // nil: enrollment windows end with the service
	Resets   trust.ResetStore  // nil: a new service has its whole budget of resets
	// Upstream requests the files that PBXs render; nil: phones with such a profile get none, as in a preview of other records.
	Upstream     Upstream
	Now          func() time.Time
	Cache        int64                                                             // bytes of rendered files kept; 0: 32 MiB
	Registration func([]registration.Account, netip.Addr) []registration.LineState // registration.Tracker.Of; nil: nothing is known
	Elsewhere    devicestatus.Elsewhere                                            // what other members of a cluster answer; nil on a single appliance
}

// Service answers file requests and previews the answers. It is safe for concurrent use.
type Service struct {
	c       Config
	trust   *trust.Service
	subnets fleet.SubnetFinder

	authorizer authorizer
	producer   producer
	recorder   recorder

	mu         sync.Mutex
	generation *generation // the newest; guarded by mu
}

// New checks the configuration and joins all its errors.
func New(c Config) (*Service, error) {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("provision: no "+what))
		}
	}
	need(c.Records != nil, "records")
	need(c.Packs != nil, "packs")
	need(c.Site != nil, "site")
	need(c.Now != nil, "clock")
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.Leases == nil {
		c.Leases = noLeases{}
	}
	if c.Fetches == nil {
		c.Fetches = func(dhcp.MAC) ([]fleet.Fetch, error) { return nil, nil }
	}
	if c.Neighbor == nil {
		c.Neighbor = func(netip.Addr) (dhcp.MAC, bool) { return dhcp.MAC{}, false }
	}
	if c.Used == nil {
		c.Used = func(dhcp.MAC, setting.Secret) {}
	}
	if c.Cache == 0 {
		c.Cache = 32 << 20
	}
	guard, err := trust.New(trust.Config{
		Leases: c.Leases, Policy: func() trust.Policy { return c.Site() }, Windows: c.Windows, Resets: c.Resets, Event: c.Event, Now: c.Now,
		History: func(mac dhcp.MAC) (trust.History, error) {
			fetches, err := c.Fetches(mac)
			return fleet.HistoryOf(fetches), err
		}, Probe: c.Probe,
	})
	if err != nil {
		return nil, err
	}
	issuer := httpauth.NewIssuer(c.NonceKey)
	subnets := fleet.SubnetFinder{Leases: c.Leases, Fetches: c.Fetches, Now: c.Now}
	return &Service{
		c: c, trust: guard, subnets: subnets,
		authorizer: authorizer{records: c.Records, leases: c.Leases, neighbor: c.Neighbor, issuer: issuer, trust: guard},
		producer:   producer{records: c.Records, files: c.Files, uploads: c.Uploads, subnets: subnets, issuer: issuer, trust: guard, upstream: upstreams{c.Records, c.Upstream}},
		recorder:   recorder{trust: guard, used: c.Used},
	}, nil
}

// Close stores what is remembered of unanswered challenges.
func (s *Service) Close() error { return s.trust.Close() }

// noLeases is used by a daemon that leases nothing.
type noLeases struct{}

func (noLeases) LeaseAt(netip.Addr) (dhcp.Lease, bool) { return dhcp.Lease{}, false }
func (noLeases) LeasesOf(dhcp.MAC) []dhcp.Lease        { return nil }

// FileInfo is one file that a phone would be given.
type FileInfo struct {
	Name      string `json:"name" doc:"name as the phone requests it" example:"001565123456.cfg"`
	Kind      string `json:"kind" doc:"kind of file: device, private, common, firmware, static, none, upload or checksum" example:"device"`
	Size      int64  `json:"size" doc:"size in bytes" example:"10240" minimum:"0"`
	MediaType string `json:"media_type,omitempty" doc:"media type in HTTP answers" example:"text/plain; charset=utf-8"`
	Digest    string `json:"digest,omitempty" doc:"SHA-256 of the file in hexadecimal, a stand-in for callers without the role admin; absent when there are no bytes" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Outcome   string `json:"outcome" doc:"what the phone is answered: served; expected (a file that phones do without), not_found, fault (internal error)" example:"served"`
	Reason    string `json:"reason,omitempty" doc:"why the file is not served" example:"optional file; the phone does without it"`
	// Upstream is set for a file that a PBX renders: it has the PBX's last answer.
	Upstream *devicestatus.Upstream `json:"upstream,omitempty" doc:"set when a PBX renders the file: size and digest are those of its last answer"`
}

// FileContent is one file as an operator may see it. Size and Digest are the real file's, also when Body is masked.
type FileContent struct {
	FileInfo
	Body    []byte        // rendered bytes; nil for static files
	Content io.ReadCloser // static files; the caller closes it
	Masked  bool          // Body has *** for secrets
}
