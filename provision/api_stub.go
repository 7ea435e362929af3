package provision

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/pack"
)

var errStub = errors.New("not written yet")

// Answer answers one file request. It is the one call behind every file that leaves.
func (s *Service) Answer(ctx context.Context, r Request) Answer {
	return Answer{Outcome: Fault, Status: 503, Err: errStub}
}

// Files lists what the phone would be given, in the order it asks. A zero subnet means the phone's own.
func (s *Service) Files(ctx context.Context, mac MAC, subnet netip.Prefix) ([]FileInfo, error) {
	return nil, errStub
}

// File gives one file of a phone, with secrets masked unless reveal is set.
func (s *Service) File(ctx context.Context, mac MAC, name string, subnet netip.Prefix, reveal bool) (FileContent, error) {
	return FileContent{}, errStub
}

// Status says how a device stands.
type Status struct {
	State     string     `json:"state"` // never_seen, never_fetched, in_sync, stale, refused, disabled
	IP        netip.Addr `json:"ip,omitzero"`
	LastSeen  time.Time  `json:"last_seen,omitzero"`
	LastFetch time.Time  `json:"last_fetch,omitzero"`
	Firmware  string     `json:"firmware,omitempty"`
}

// Status compares what the device fetched last with what it would get now.
func (s *Service) Status(ctx context.Context, mac MAC) (Status, error) { return Status{}, errStub }

// Advise tells DHCP what a client is and which options it should be given. It implements dhcp.Adviser.
func (s *Service) Advise(c dhcp.Client, site dhcp.Site) dhcp.Advice { return dhcp.Advice{} }

// Question is what explain is asked: a phone, or a file name from an address.
type Question struct {
	MAC       MAC    // a phone
	Path      string // or a file, asked for from From
	From      netip.Addr
	UserAgent string
	Subnet    netip.Prefix // zero: the phone's own
}

// Origin is one effective setting and where its value comes from.
type Origin struct {
	Name  string `json:"name"`
	Value any    `json:"value"` // absent for secrets
	From  string `json:"from"`  // default, site, subnet 10.20.0.0/22, registrar main, profile reception, device
}

// Explanation is the dry run of what a phone would be told, with the reasons.
type Explanation struct {
	MAC      MAC          `json:"mac,omitzero"`
	Recorded bool         `json:"recorded"`
	Enabled  bool         `json:"enabled"`
	Vendor   string       `json:"vendor,omitempty"`
	Model    string       `json:"model,omitempty"`
	Identity string       `json:"identity,omitempty"` // how it was recognised
	Subnet   netip.Prefix `json:"subnet,omitzero"`
	SubnetBy string       `json:"subnet_by,omitempty"` // lease, reservation, last fetch, first provisioning subnet, asked for
	URL      string       `json:"url,omitempty"`
	Trust    string       `json:"trust,omitempty"`
	Options  []OptionInfo `json:"options,omitempty"` // what provisioning adds to DHCP's own
	Settings []Origin     `json:"settings,omitempty"`
	LeftOut  []string     `json:"left_out,omitempty"` // keys and lines that the phone does not get, with the reason
	Files    []FileInfo   `json:"files,omitempty"`
	Answer   *FileVerdict `json:"answer,omitempty"` // when a path was asked for
	Notes    []string     `json:"notes,omitempty"`
}

// OptionInfo is one DHCP option in words.
type OptionInfo struct {
	Code  uint8  `json:"code"`
	Value string `json:"value"`
	Force bool   `json:"force,omitempty"` // sent also when not asked for
}

// FileVerdict is the answer to a file request without its bytes.
type FileVerdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason"`
	Name    string  `json:"name"`
	Kind    string  `json:"kind,omitempty"`
	MAC     MAC     `json:"mac,omitzero"`
	Vendor  string  `json:"vendor,omitempty"`
	Model   string  `json:"model,omitempty"`
	Size    int64   `json:"size,omitempty"`
	Digest  string  `json:"digest,omitempty"`
	Status  int     `json:"status,omitempty"` // HTTP status when not served
}

// Explain tells what a phone, or a requester, would be given and why. It changes nothing.
func (s *Service) Explain(ctx context.Context, q Question) (Explanation, error) {
	return Explanation{}, errStub
}

// Phone builds what templates print for a device in a subnet of the site, and what the phone does not get with the
// reason: keys of a profile that its model can't have, lines without a registrar.
func Phone(f Fleet, packs *pack.Set, site *Site, subnet netip.Prefix, d *Device) (pack.Phone, []string, error) {
	return pack.Phone{}, nil, errStub
}

type cache struct{}

func newCache(int64) *cache { return &cache{} }
func packValue(v any) any   { return v }
