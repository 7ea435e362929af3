package store

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/timeline"
)

var errStub = errors.New("store: not written yet")

// Config is what a Store needs.
type Config struct {
	Dir        string // data directory; made when missing
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Store keeps what operators enter, leases and events.
type Store struct{}

// Open opens or makes the three files in c.Dir.
func Open(c Config) (*Store, error) { return nil, errStub }

// Close writes what is buffered and closes the files. Call it last.
func (s *Store) Close() error { return nil }

// Run writes buffered events at most once a second until ctx ends. It is a task of the daemon.
func (s *Store) Run(ctx context.Context, ready func()) error { return errStub }

// View implements provision.Records.
func (s *Store) View(f func(provision.Fleet) error) error { return errStub }

// Edit implements provision.Records.
func (s *Store) Edit(actor, action string, f func(provision.Edit) error) error { return errStub }

// OnChange calls f after each committed Edit that changed something, in order of revision. f must not call Edit.
func (s *Store) OnChange(f func(revision uint64)) {}

// Revision is that of the last committed Edit.
func (s *Store) Revision() uint64 { return 0 }

// Reserved returns the address reserved for a device, from memory.
func (s *Store) Reserved(m dhcp.MAC) (netip.Addr, bool) { return netip.Addr{}, false }

// HolderOf returns the device that has addr reserved, from memory.
func (s *Store) HolderOf(addr netip.Addr) (dhcp.MAC, bool) { return dhcp.MAC{}, false }

// WriteLeases writes all changes in one durable transaction.
func (s *Store) WriteLeases(changes []dhcp.Change) error { return errStub }

// LoadLeases calls f for each lease in order of address.
func (s *Store) LoadLeases(f func(dhcp.Lease) error) error { return errStub }

// History returns the last 50 revisions of a device, newest first, of deleted devices too.
func (s *Store) History(mac dhcp.MAC) ([]provision.DeviceRevision, error) { return nil, errStub }

// Audit returns at most limit entries with an ID greater than after, oldest first.
func (s *Store) Audit(after uint64, limit int) ([]provision.AuditEntry, error) { return nil, errStub }

// RecordAudit adds an entry for something that is no Edit: a reveal of secrets, a backup.
func (s *Store) RecordAudit(e provision.AuditEntry) error { return errStub }

// Tokens returns all tokens in order of name.
func (s *Store) Tokens() ([]provision.Token, error) { return nil, errStub }

// PutToken keeps a token under its name, with an audit entry in the name of actor.
func (s *Store) PutToken(actor string, t provision.Token) error { return errStub }

// DeleteToken removes a token, with an audit entry in the name of actor.
func (s *Store) DeleteToken(actor, name string) error { return errStub }

// TokenByHash finds the token with this SHA-256 in hex.
func (s *Store) TokenByHash(hash string) (provision.Token, error) { return provision.Token{}, errStub }

// AppendTimeline takes entries to be written soon. It never waits for the disk.
func (s *Store) AppendTimeline(entries []timeline.Entry) {}

// Timeline returns the newest limit entries of a phone, oldest of them first.
func (s *Store) Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) { return nil, errStub }

// RecordFetch remembers the last fetch of a file by a phone. It never waits for the disk.
func (s *Store) RecordFetch(f provision.Fetch) {}

// Fetches returns the last fetch of each file of a phone, by file name.
func (s *Store) Fetches(mac dhcp.MAC) ([]provision.Fetch, error) { return nil, errStub }

// SeePhone puts a phone on the discovered list, or brings it up to date there. It never waits for the disk.
func (s *Store) SeePhone(d provision.Discovered) {}

// DiscoveredPhones returns the discovered list in order of MAC.
func (s *Store) DiscoveredPhones() ([]provision.Discovered, error) { return nil, errStub }

// DiscoveredCount is the length of the discovered list.
func (s *Store) DiscoveredCount() int { return 0 }

// ForgetPhone takes a phone off the discovered list.
func (s *Store) ForgetPhone(mac dhcp.MAC) error { return errStub }

// Snapshot copies plugtone.db to backups/ if it changed since the newest copy, and removes copies that are too old.
func (s *Store) Snapshot() error { return errStub }

// Backup writes a tar stream of all files as of now. The files are copied first: a slow reader holds up nobody.
func (s *Store) Backup(w io.Writer) error { return errStub }

// Restore unpacks a backup into dir, which no daemon may be using. What was there is set aside.
func Restore(r io.Reader, dir string, now time.Time) error { return errStub }

// Sizes returns the size of each file in bytes, by name.
func (s *Store) Sizes() map[string]int64 { return nil }

// Notices says what Open found wrong and mended: files set aside, snapshots used.
func (s *Store) Notices() []string { return nil }

// Health is nil while the last write of each file succeeded, else the error, which names the file.
func (s *Store) Health() error { return nil }
