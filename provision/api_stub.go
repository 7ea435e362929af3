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

// CheckDevice fills in defaults, brings the record into its canonical form and reports every fault as Invalid.
func CheckDevice(f Fleet, packs *pack.Set, d *Device) error { return errStub }

// CheckProfile is CheckDevice for a profile.
func CheckProfile(f Fleet, packs *pack.Set, p *Profile) error { return errStub }

// CheckExtension is CheckDevice for an extension. A registrar may be left out while there is exactly one.
func CheckExtension(f Fleet, e *Extension) error { return errStub }

// CheckRegistrar is CheckDevice for a registrar.
func CheckRegistrar(r *Registrar) error { return errStub }

// ParseExtension reads NUMBER or NUMBER@REGISTRAR.
func ParseExtension(ref string) (number, registrar string) { return "", "" }

// FindExtension finds NUMBER or NUMBER@REGISTRAR; a number that two registrars have is refused with both.
func FindExtension(f Fleet, ref string) (*Extension, error) { return nil, errStub }

// InUse is the error for a record that others depend on. It wraps ErrInUse.
type InUse struct {
	What  string
	Users []string
}

func (e *InUse) Error() string { return e.What }

// RemoveExtension deletes an extension. While devices have lines on it, it is refused with them unless force is set,
// which takes those lines away.
func RemoveExtension(e Edit, number, registrar string, force bool) error { return errStub }

// RemoveRegistrar deletes a registrar. While extensions are on it, it is refused with them unless force is set, which
// leaves them without a registrar.
func RemoveRegistrar(e Edit, name string, force bool) error { return errStub }

// RemoveProfile deletes a profile. While devices or profiles name it, it is refused with them unless force is set, which
// leaves them without it.
func RemoveProfile(e Edit, name string, force bool) error { return errStub }

// ParseKey reads [AREA:]SLOT=TYPE[:VALUE][,label=TEXT][,line=N]; AREA:SLOT= alone gives a key without a type, which stands for removal.
func ParseKey(spec string) (Key, error) { return Key{}, errStub }

// String prints the key as ParseKey reads it.
func (k Key) String() string { return "" }

type cache struct{}

func newCache(int64) *cache { return &cache{} }
