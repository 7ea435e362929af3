package uploads

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/sealedfile"
)

// Upload is one file while it is received. It ends with Commit or Abort.
type Upload struct {
	store          *Store
	mac            dhcp.MAC
	folder         *folder
	dir, key, temp string
	file           *os.File
	sealed         *sealedfile.Writer // to file
	sum            hash.Hash
	size, left     int64
	failed         error
	ended          bool
	copied         time.Time // of the version that this is a copy of; zero: the phone uploads it
	time           time.Time // of the version; zero: that of the disk
}

// create makes the temporary file that is written to.
func (u *Upload) create() error {
	s := u.store
	u.folder.mu.Lock()
	defer u.folder.mu.Unlock()
	if err := s.root.Mkdir(u.dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	stored, err := s.list(u.dir, s.isOnly(u.folder)) // an upload that was acquired later has no file yet
	if err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	if err := stored.admits(u.key); err != nil {
		return err
	}
	u.temp = path.Join(u.dir, fmt.Sprintf(".coming-%d", s.serial.Add(1)))
	if u.file, err = s.root.OpenFile(u.temp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o640); err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	u.sealed = sealedfile.NewWriter(u.file, sealedfile.Place(FolderName, path.Join(u.dir, u.key)), s.cipher)
	return nil
}

// admits returns ErrNoRoom for a new file of a phone that has as many as it may have.
func (f storedFiles) admits(key string) error {
	if _, known := f.newest[key]; !known && len(f.newest) >= maxFiles {
		return fmt.Errorf("%w: it has %d files", ErrNoRoom, len(f.newest))
	}
	return nil
}

// Write appends to the file. Beyond the largest size it returns ErrTooLarge.
func (u *Upload) Write(p []byte) (int, error) {
	switch {
	case u.failed != nil:
		return 0, u.failed
	case int64(len(p)) > u.left:
		u.failed = ErrTooLarge
		return 0, u.failed
	}
	n, err := u.sealed.Write(p)
	u.sum.Write(p[:n])
	u.size += int64(n)
	u.left -= int64(n)
	if err != nil {
		u.failed = fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	return n, u.failed
}

// Size returns how many bytes have been written.
func (u *Upload) Size() int64 { return u.size }

// Left returns how many more bytes may be written.
func (u *Upload) Left() int64 { return u.left }

// Abort discards what was written. After Commit it does nothing.
func (u *Upload) Abort() {
	if u.ended {
		return
	}
	u.ended = true
	// What can't be removed now is removed before the phone's next upload.
	_ = u.file.Close()
	_ = u.store.root.Remove(u.temp)
	u.store.release(u.mac, u.folder)
}

// Commit makes what was written the file's newest version, on disk when it returns. Bytes that are the newest version
// already change nothing, so that a phone that sends the same file each night doesn't push out the older versions.
func (u *Upload) Commit() error {
	if u.ended {
		return errors.New("the upload has ended")
	}
	err := u.failed
	if err == nil {
		if err = errors.Join(u.sealed.Close(), u.file.Sync(), u.file.Close()); err != nil {
			err = fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
	}
	if err != nil {
		u.Abort()
		return err
	}
	u.ended = true
	defer u.store.release(u.mac, u.folder)
	u.folder.mu.Lock()
	defer u.folder.mu.Unlock()
	if err := u.publish(); err != nil {
		return errors.Join(err, u.store.root.Remove(u.temp))
	}
	return nil
}

// publish renames the temporary file; the caller holds folder.mu. A newest version exists at every moment.
func (u *Upload) publish() error {
	s, file := u.store, path.Join(u.dir, u.key)
	stored, err := s.list(u.dir, false)
	if err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	if err := stored.admits(u.key); err != nil {
		return err
	}
	newest, known := stored.newest[u.key]
	done, err := u.superfluous(file, known)
	if err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	if done {
		return s.root.Remove(u.temp)
	}
	err = s.makeRoom(u.dir, &stored, u.size)
	switch {
	case errors.Is(err, ErrNoRoom) && stored.total-newest+u.size <= maxBytes:
		// It fits when it replaces the version before it, not in addition to it.
	case err != nil:
		return err
	default:
		if err := s.rotate(file); err != nil {
			return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
		}
	}
	if err := s.root.Rename(u.temp, file); err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrInternal, err)
	}
	if err := s.sync(u.dir); err != nil {
		return err
	}
	u.notify()
	return nil
}

// superfluous reports whether the newest version, if there is one, stays: it has the same bytes, or u is a copy of an earlier one.
func (u *Upload) superfluous(file string, known bool) (bool, error) {
	var before fs.FileInfo
	var err error
	if known {
		if before, err = u.store.root.Lstat(file); err != nil {
			return false, err
		}
	}
	newer, err := u.stamp(before)
	if err != nil || !newer || !known {
		return !newer, err
	}
	same, err := u.equals(file)
	if err != nil || !same || u.time.IsZero() {
		return same, err
	}
	defer u.notify()
	return true, u.store.root.Chtimes(file, u.time, u.time)
}

// equals reports whether a stored file has the very bytes that were written.
func (u *Upload) equals(file string) (bool, error) {
	f, _, err := u.store.open(file)
	if errors.Is(err, sealedfile.ErrDamaged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if f.Size() != u.size {
		return false, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	return string(sum.Sum(nil)) == string(u.sum.Sum(nil)), nil
}
