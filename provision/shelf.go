package provision

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// What a phone may keep here. A Polycom's overrides, contacts, call lists and logs are about 2 MiB.
const (
	uploadVersions = 5        // of one file, the newest counted
	uploadNames    = 64       // different files of one phone
	uploadBytes    = 16 << 20 // of one phone, all versions
	uploadsAtOnce  = 4        // of one phone
	uploadKey      = 200      // bytes of a file's name on disk
)

// Why an upload is not kept.
var (
	ErrTooLarge   = errors.New("the upload is larger than its file may be")
	ErrUploadRoom = errors.New("the phone has no room for another upload")
	errUploadBusy = errors.New("the phone sends too many files at once")
)

// Shelf keeps what phones upload: a folder for each phone, in it the newest version of each file under the file's own
// name in lower case, and the older ones as NAME~1 (the last but one), NAME~2 and so on. It is safe for concurrent use.
type Shelf struct {
	root   *os.Root
	serial atomic.Uint64

	mu     sync.Mutex
	coming map[dhcp.MAC]*folder // of those with uploads under way
}

// folder is what phones have of their own, so that none waits for the disk of another's.
type folder struct {
	mu      sync.Mutex // held while files come, go or are counted
	uploads int        // under way; guarded by Shelf.mu
}

// NewShelf makes a shelf of a folder.
func NewShelf(root *os.Root) *Shelf { return &Shelf{root: root, coming: map[dhcp.MAC]*folder{}} }

// shelfKey is a file's name on disk: no slashes, not hidden, no "~".
func shelfKey(name string) (string, error) {
	key := strings.ReplaceAll(url.PathEscape(strings.ToLower(name)), "~", "%7E")
	if key == "" || key[0] == '.' || len(key) > uploadKey {
		return "", fmt.Errorf("%.60q can't be the name of an upload", name)
	}
	return key, nil
}

// Open opens the newest version of a file.
func (s *Shelf) Open(mac dhcp.MAC, name string) (*os.File, fs.FileInfo, error) {
	key, err := shelfKey(name)
	if err != nil {
		return nil, nil, fs.ErrNotExist
	}
	return openRegular(s.root, path.Join(mac.Hex(), key))
}

// Begin takes a new version of a file, of at most most bytes. Nothing of it is seen before Commit.
func (s *Shelf) Begin(mac dhcp.MAC, name string, most int64) (*Upload, error) {
	key, err := shelfKey(name)
	if err != nil {
		return nil, err
	}
	own := s.enter(mac)
	if own == nil {
		return nil, fmt.Errorf("%w: %w", fleet.ErrInternal, errUploadBusy)
	}
	u := &Upload{shelf: s, mac: mac, own: own, dir: mac.Hex(), key: key, left: most, sum: sha256.New()}
	if err := u.begin(); err != nil {
		u.release()
		return nil, err
	}
	return u, nil
}

// enter counts an upload in. It is nil when the phone has too many under way.
func (s *Shelf) enter(mac dhcp.MAC) *folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.coming[mac]
	if own == nil {
		own = &folder{}
		s.coming[mac] = own
	}
	if own.uploads >= uploadsAtOnce {
		return nil
	}
	own.uploads++
	return own
}

// alone tells whether no other upload of the phone's is under way.
func (s *Shelf) alone(own *folder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return own.uploads == 1
}

// begin makes the file that is written to.
func (u *Upload) begin() error {
	s := u.shelf
	u.own.mu.Lock()
	defer u.own.mu.Unlock()
	if err := s.root.Mkdir(u.dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	kept, err := s.look(u.dir, s.alone(u.own)) // who has entered later has no file yet
	if err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	if _, known := kept.newest[u.key]; !known && len(kept.newest) >= uploadNames {
		return fmt.Errorf("%w: it keeps %d files", ErrUploadRoom, len(kept.newest))
	}
	u.temp = path.Join(u.dir, fmt.Sprintf(".coming-%d", s.serial.Add(1)))
	if u.file, err = s.root.OpenFile(u.temp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o640); err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	return nil
}

// shelved is what a phone has on its shelf.
type shelved struct {
	newest map[string]int64 // size by key
	older  []oldVersion
	total  int64
}

type oldVersion struct {
	name string
	age  int
	size int64
}

// look reads a phone's folder. Nothing is under way when sweep is set: then what a crash left behind is removed.
func (s *Shelf) look(dir string, sweep bool) (shelved, error) {
	out := shelved{newest: map[string]int64{}}
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
			continue // removed meanwhile, or none of ours
		}
		out.total += info.Size()
		if _, age, old := strings.Cut(name, "~"); old {
			n, _ := strconv.Atoi(age)
			out.older = append(out.older, oldVersion{name, n, info.Size()})
			continue
		}
		out.newest[name] = info.Size()
	}
	return out, err
}

// Upload is one file on its way in. Commit or Abort ends it.
type Upload struct {
	shelf          *Shelf
	mac            dhcp.MAC
	own            *folder
	dir, key, temp string
	file           *os.File
	sum            hash.Hash
	size, left     int64
	failed         error
	ended          bool
}

// Write takes the next bytes. Beyond the largest size it is ErrTooLarge.
func (u *Upload) Write(p []byte) (int, error) {
	switch {
	case u.failed != nil:
		return 0, u.failed
	case int64(len(p)) > u.left:
		u.failed = ErrTooLarge
		return 0, u.failed
	}
	n, err := u.file.Write(p)
	u.sum.Write(p[:n])
	u.size += int64(n)
	u.left -= int64(n)
	if err != nil {
		u.failed = fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	return n, u.failed
}

// Size is how much has been written.
func (u *Upload) Size() int64 { return u.size }

// Left is how many more bytes may be written.
func (u *Upload) Left() int64 { return u.left }

// Abort forgets what was written. After Commit it does nothing.
func (u *Upload) Abort() {
	if u.ended {
		return
	}
	u.ended = true
	// What can't be removed now is swept before the phone's next upload.
	_ = u.file.Close()
	_ = u.shelf.root.Remove(u.temp)
	u.release()
}

// release counts the upload out.
func (u *Upload) release() {
	u.shelf.mu.Lock()
	defer u.shelf.mu.Unlock()
	if u.own.uploads--; u.own.uploads == 0 {
		delete(u.shelf.coming, u.mac)
	}
}

// Commit makes what was written the file's newest version, on disk when it returns. Bytes that are the newest version
// already change nothing, so that a phone that sends the same file each night doesn't push out the older versions.
func (u *Upload) Commit() error {
	if u.ended {
		return errors.New("the upload has ended")
	}
	err := u.failed
	if err == nil {
		if err = errors.Join(u.file.Sync(), u.file.Close()); err != nil {
			err = fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
	}
	if err != nil {
		u.Abort()
		return err
	}
	u.ended = true
	defer u.release()
	u.own.mu.Lock()
	defer u.own.mu.Unlock()
	if err := u.put(); err != nil {
		return errors.Join(err, u.shelf.root.Remove(u.temp))
	}
	return nil
}

// put moves the file to its place; folder.mu is held. There is a newest version at every moment.
func (u *Upload) put() error {
	s, place := u.shelf, path.Join(u.dir, u.key)
	kept, err := s.look(u.dir, false)
	if err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	if _, known := kept.newest[u.key]; known {
		same, err := u.same(place)
		if err != nil {
			return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
		if same {
			return s.root.Remove(u.temp)
		}
	} else if len(kept.newest) >= uploadNames {
		return fmt.Errorf("%w: it keeps %d files", ErrUploadRoom, len(kept.newest))
	}
	err = s.clear(u.dir, &kept, u.size)
	switch {
	case errors.Is(err, ErrUploadRoom) && kept.total-kept.newest[u.key]+u.size <= uploadBytes:
		// There is room for it in the place of the version before it, not beside it.
	case err != nil:
		return err
	default:
		if err := s.age(place); err != nil {
			return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
	}
	if err := s.root.Rename(u.temp, place); err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	return s.sync(u.dir)
}

// same tells whether the newest version has the very bytes.
func (u *Upload) same(place string) (bool, error) {
	f, info, err := openRegular(u.shelf.root, place)
	if err != nil || info.Size() != u.size {
		return false, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	return string(sum.Sum(nil)) == string(u.sum.Sum(nil)), nil
}

// clear makes room for size bytes by removing older versions, the oldest first. The newest of a file is never removed.
func (s *Shelf) clear(dir string, kept *shelved, size int64) error {
	for kept.total+size > uploadBytes {
		oldest := -1
		for i, v := range kept.older {
			if oldest < 0 || v.age > kept.older[oldest].age {
				oldest = i
			}
		}
		if oldest < 0 {
			return fmt.Errorf("%w: its files have %d bytes, of at most %d", ErrUploadRoom, kept.total, uploadBytes)
		}
		v := kept.older[oldest]
		if err := s.root.Remove(path.Join(dir, v.name)); err != nil {
			return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
		kept.total -= v.size
		kept.older = append(kept.older[:oldest], kept.older[oldest+1:]...)
	}
	return nil
}

// age makes each version of a file one older, and the newest also NAME~1. What is older than the last ones kept is
// overwritten.
func (s *Shelf) age(place string) error {
	old := func(n int) string { return place + "~" + strconv.Itoa(n) }
	for n := uploadVersions - 2; n >= 1; n-- {
		if err := s.root.Rename(old(n), old(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.root.Remove(old(1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.root.Link(place, old(1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Shelf) sync(dir string) error {
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
