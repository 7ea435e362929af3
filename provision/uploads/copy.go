package uploads

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/sealedfile"
)

// File is the newest version of a file that a phone has uploaded.
type File struct {
	MAC  dhcp.MAC
	Key  string    // its name on disk
	Time time.Time // of the upload, to the microsecond; a later version has a later one once OnStored is set
}

// precision is that of File.Time.
const precision = time.Microsecond

// latest is the latest time that a copy may have: a clock that is wrong must leave room for versions after it.
var latest = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// ErrNotCopied is why Copy refuses a file. It is no error of the disk.
var ErrNotCopied = errors.New("this can't be a copy of an upload")

// OnStored makes f be called with each file that a phone has uploaded, once it is on disk; f must return at once. From then on a version of a
// file has a later time than the one before it, also when the clock was set back, and the time of the same bytes is that of their last upload:
// copies of several stores can be compared. Call it before the store is used.
func (s *Store) OnStored(f func(File)) { s.stored = f }

// Phones returns the phones after one that have a folder, in order, most at most.
func (s *Store) Phones(after dhcp.MAC, most int) ([]dhcp.MAC, error) {
	d, err := s.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []dhcp.MAC
	for _, name := range names {
		if mac, err := dhcp.ParseMAC(name); err == nil && mac.Hex() == name && name > after.Hex() {
			out = append(out, mac)
		}
	}
	slices.SortFunc(out, func(a, b dhcp.MAC) int { return cmp.Compare(a.Hex(), b.Hex()) })
	return out[:min(len(out), most)], nil
}

// Files returns the newest version of each file of a phone, 64 at most.
func (s *Store) Files(mac dhcp.MAC) ([]File, error) {
	entries, err := fs.ReadDir(s.root.FS(), mac.Hex())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !validKey(e.Name()) {
			continue // removed meanwhile, an older version, or no upload
		}
		out = append(out, File{mac, e.Name(), info.ModTime().Truncate(precision)})
	}
	return out[:min(len(out), maxFiles)], nil
}

// validKey reports whether fileKey returns key for some name.
func validKey(key string) bool {
	name, err := url.PathUnescape(key)
	if err != nil {
		return false
	}
	again, err := fileKey(name)
	return err == nil && again == key
}

// OpenKey opens the newest version of a file by its key. file has its time, which is zero when there is none.
func (s *Store) OpenKey(mac dhcp.MAC, key string) (r *sealedfile.Reader, file File, err error) {
	if !validKey(key) {
		return nil, File{}, fmt.Errorf("%w: %.60q is no name of a file", ErrNotCopied, key)
	}
	r, info, err := s.open(path.Join(mac.Hex(), key))
	if err != nil {
		return nil, File{}, err
	}
	return r, File{mac, key, info.ModTime().Truncate(precision)}, nil
}

// Has reports whether the store has this version of a file or a later one. The error is ErrNotCopied for what can be none.
func (s *Store) Has(f File) (bool, error) {
	if err := f.check(); err != nil {
		return false, err
	}
	info, err := s.root.Lstat(path.Join(f.MAC.Hex(), f.Key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && !info.ModTime().Truncate(precision).Before(f.Time), err
}

// BeginCopy starts a copy of a file of another store, of size bytes. Commit makes it the newest version unless the store has got the same or a
// later one meanwhile; the version before it is kept as an older one. The bounds of a phone hold. An error that is ErrNotCopied, ErrTooLarge or
// ErrNoRoom is that of the file.
func (s *Store) BeginCopy(f File, size int64) (*Upload, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if size < 0 || size > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	return s.begin(f.MAC, f.Key, size, f.Time.Truncate(precision))
}

// check returns ErrNotCopied for what can be no upload.
func (f File) check() error {
	switch {
	case !validKey(f.Key):
		return fmt.Errorf("%w: %.60q is no name of a file", ErrNotCopied, f.Key)
	case f.Time.Unix() <= 0 || f.Time.After(latest):
		return fmt.Errorf("%w: %s can't be its time", ErrNotCopied, f.Time.UTC().Format(time.RFC3339))
	}
	return nil
}

// Confirm gives the newest version of a file a later time: the same bytes were uploaded to another store.
func (s *Store) Confirm(f File) error {
	own := s.acquire(f.MAC)
	if own == nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, errBusy)
	}
	defer s.release(f.MAC, own)
	own.mu.Lock()
	defer own.mu.Unlock()
	if has, err := s.Has(f); has || err != nil {
		return err
	}
	return s.root.Chtimes(path.Join(f.MAC.Hex(), f.Key), f.Time, f.Time)
}

// stamp gives the temporary file the time of its version. newer is false when the store has the same or a later one, of which u is a copy.
// The caller holds folder.mu.
func (u *Upload) stamp(before fs.FileInfo) (newer bool, err error) {
	if u.copied.IsZero() && u.store.stored == nil {
		return true, nil
	}
	var was time.Time
	if before != nil {
		was = before.ModTime().Truncate(precision)
	}
	if u.time = u.copied; u.time.IsZero() {
		info, err := u.store.root.Lstat(u.temp)
		if err != nil {
			return false, err
		}
		if u.time = info.ModTime().Truncate(precision); !u.time.After(was) {
			u.time = was.Add(precision)
		}
	} else if !u.time.After(was) {
		return false, nil
	}
	return true, u.store.root.Chtimes(u.temp, u.time, u.time)
}

// notify reports an upload of a phone. The caller holds folder.mu.
func (u *Upload) notify() {
	if u.copied.IsZero() && u.store.stored != nil {
		u.store.stored(File{u.mac, u.key, u.time})
	}
}
