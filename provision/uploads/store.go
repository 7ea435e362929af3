// Package uploads stores the files that phones write: a folder for each phone, several versions of each file, bounded in
// number and size. It does not decide who may write; package provision does.
package uploads

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/internal/regularfile"
	"plugtone/provision/sealedfile"
)

// Bounds of what one phone may store. A Polycom's overrides, contacts, call lists and logs are about 2 MiB.
const (
	maxVersions   = 5        // of one file, the newest counted
	maxFiles      = 64       // different files
	maxBytes      = 16 << 20 // all versions of all files
	maxConcurrent = 4        // uploads at a time
	maxKey        = 200      // bytes of a file's name on disk
)

// Why an upload is not stored.
var (
	ErrTooLarge = errors.New("the upload is larger than its file may be")
	ErrNoRoom   = errors.New("the phone has no room for another upload")
	errBusy     = errors.New("the phone sends too many files at once")
)

// Store stores uploads in a folder for each phone: the newest version of each file under the file's own name in lower case, and
// the older ones as NAME~1 (the last but one), NAME~2 and so on. It is safe for concurrent use.
type Store struct {
	root   *os.Root
	cipher sealedfile.Cipher
	stored func(File)    // see OnStored; nil: no one compares the files with those of another store
	serial atomic.Uint64 // makes the names of temporary files unique

	mu     sync.Mutex
	active map[dhcp.MAC]*folder // phones with uploads under way
}

// folder is the state of one phone's folder, so that no phone waits for the disk of another's.
type folder struct {
	mu      sync.Mutex // held while files are added, removed or counted
	uploads int        // under way; guarded by Store.mu
}

// FolderName is the name of the folder in a data directory.
const FolderName = "uploads"

// NewStore makes a store of a folder. What is stored is encrypted with cipher, unless that is nil.
func NewStore(root *os.Root, cipher sealedfile.Cipher) *Store {
	return &Store{root: root, cipher: cipher, active: map[dhcp.MAC]*folder{}}
}

// OpenFolder makes the folder if it is missing, and a store of it.
func OpenFolder(dir string, cipher sealedfile.Cipher) (*Store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return NewStore(root, cipher), nil
}

// fileKey returns a file's name on disk: no slashes, not hidden, no "~".
func fileKey(name string) (string, error) {
	key := strings.ReplaceAll(url.PathEscape(strings.ToLower(name)), "~", "%7E")
	if key == "" || key[0] == '.' || len(key) > maxKey {
		return "", fmt.Errorf("%.60q can't be the name of an upload", name)
	}
	return key, nil
}

// Open opens the newest version of a file. The error is one that regularfile.IsAbsent recognizes when there is none.
func (s *Store) Open(mac dhcp.MAC, name string) (*sealedfile.Reader, fs.FileInfo, error) {
	key, err := fileKey(name)
	if err != nil {
		return nil, nil, fs.ErrNotExist
	}
	return s.open(path.Join(mac.Hex(), key))
}

// Close closes the folder.
func (s *Store) Close() error { return s.root.Close() }

func (s *Store) open(file string) (*sealedfile.Reader, fs.FileInfo, error) {
	f, info, err := regularfile.Open(s.root, file)
	if err != nil {
		return nil, nil, err
	}
	r, err := sealedfile.NewReader(f, info.Size(), sealedfile.Place(FolderName, file), s.cipher)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return r, info, nil
}

// size returns how many bytes a file holds, as far as its size on disk shows.
func (s *Store) size(info fs.FileInfo) int64 {
	if s.cipher == nil {
		return info.Size()
	}
	return sealedfile.PlainSize(info.Size())
}

// Seal encrypts the files that earlier versions wrote in clear, or that were encrypted with an older key, and returns how many.
func (s *Store) Seal(ctx context.Context) (int, error) {
	if s.cipher == nil {
		return 0, nil
	}
	return sealedfile.ResealAll(ctx, s.root, FolderName, s.cipher, func(dir string) func() {
		mac, err := dhcp.ParseMAC(dir)
		if err != nil {
			return func() {}
		}
		s.mu.Lock()
		f := s.folderOf(mac)
		f.uploads++ // so that no upload takes the temporary file for one that a crash left behind
		s.mu.Unlock()
		f.mu.Lock()
		return func() { f.mu.Unlock(); s.release(mac, f) }
	})
}

// Begin starts a new version of a file, of at most most bytes. It becomes visible with Commit.
func (s *Store) Begin(mac dhcp.MAC, name string, most int64) (*Upload, error) {
	key, err := fileKey(name)
	if err != nil {
		return nil, err
	}
	return s.begin(mac, key, most, time.Time{})
}

// begin starts a new version of a file; copied is its time if it is a copy.
func (s *Store) begin(mac dhcp.MAC, key string, most int64, copied time.Time) (*Upload, error) {
	own := s.acquire(mac)
	if own == nil {
		return nil, fmt.Errorf("%w: %w", fleet.ErrInternal, errBusy)
	}
	u := &Upload{store: s, mac: mac, folder: own, dir: mac.Hex(), key: key, left: most, sum: sha256.New(), copied: copied}
	if err := u.create(); err != nil {
		s.release(mac, own)
		return nil, err
	}
	return u, nil
}

// acquire counts an upload in. It returns nil when the phone has too many under way.
func (s *Store) acquire(mac dhcp.MAC) *folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folderOf(mac)
	if f.uploads >= maxConcurrent {
		return nil
	}
	f.uploads++
	return f
}

// folderOf returns the state of a phone's folder; the caller holds s.mu.
func (s *Store) folderOf(mac dhcp.MAC) *folder {
	f := s.active[mac]
	if f == nil {
		f = &folder{}
		s.active[mac] = f
	}
	return f
}

// release counts an upload out.
func (s *Store) release(mac dhcp.MAC, f *folder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.uploads--; f.uploads == 0 {
		delete(s.active, mac)
	}
}

// isOnly reports whether the phone has one upload under way.
func (s *Store) isOnly(f *folder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.uploads == 1
}

// storedFiles is what a phone has stored.
type storedFiles struct {
	newest map[string]int64 // size by key
	older  []oldVersion
	total  int64
}

type oldVersion struct {
	name string
	age  int
	size int64
}

// list reads a phone's folder. With sweep set, which needs that no other upload is under way, it removes temporary files
// that a crash left behind.
func (s *Store) list(dir string, sweep bool) (storedFiles, error) {
	out := storedFiles{newest: map[string]int64{}}
	d, err := s.root.Open(dir)
	if err != nil {
		return out, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		name := e.Name()
		if name[0] == '.' {
			if sweep {
				err = errors.Join(err, s.root.Remove(path.Join(dir, name)))
			}
			continue
		}
		info, statErr := e.Info()
		if statErr != nil || !info.Mode().IsRegular() {
			continue // removed meanwhile, or not an upload
		}
		out.total += s.size(info)
		if _, age, old := strings.Cut(name, "~"); old {
			n, _ := strconv.Atoi(age)
			out.older = append(out.older, oldVersion{name, n, s.size(info)})
			continue
		}
		out.newest[name] = s.size(info)
	}
	return out, err
}

// makeRoom removes older versions, the oldest first, until size more bytes fit. It never removes the newest of a file.
func (s *Store) makeRoom(dir string, stored *storedFiles, size int64) error {
	for stored.total+size > maxBytes {
		oldest := -1
		for i, v := range stored.older {
			if oldest < 0 || v.age > stored.older[oldest].age {
				oldest = i
			}
		}
		if oldest < 0 {
			return fmt.Errorf("%w: its files have %d bytes, of at most %d", ErrNoRoom, stored.total, maxBytes)
		}
		v := stored.older[oldest]
		if err := s.root.Remove(path.Join(dir, v.name)); err != nil {
			return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
		stored.total -= v.size
		stored.older = append(stored.older[:oldest], stored.older[oldest+1:]...)
	}
	return nil
}

// rotate makes each version of a file one older, and links the newest as NAME~1. The oldest version is overwritten.
func (s *Store) rotate(file string) error {
	version := func(n int) string { return file + "~" + strconv.Itoa(n) }
	for n := maxVersions - 2; n >= 1; n-- {
		if err := s.root.Rename(version(n), version(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.root.Remove(version(1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.root.Link(file, version(1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) sync(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	return nil
}
