package dbfile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockTries times lockPause is how long a starting daemon waits for a dying one.
const (
	lockTries = 40
	lockPause = 25 * time.Millisecond
)

// ErrBusy is wrapped by the error of a file that another process has open.
var ErrBusy = errors.New("is in use")

// Lock opens path, made when missing, with bbolt's own lock, so that a file is never judged or moved while another process
// uses it.
func Lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, FileMode)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w\nhint: the data directory is another user's: run this as that user, or as root", err)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != FileMode {
		if err := errors.Join(err, f.Chmod(FileMode)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if err := flock(f, syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// LockDir locks a data directory against every other plugtone, also while it has no file that could be locked. On a network file system
// that can't lock directories it locks nothing: the files have locks of their own.
func LockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_EX); errors.Is(err, ErrBusy) {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lockToRead opens a file that exists for reading, while no daemon uses it.
func lockToRead(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_SH); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func flock(f *os.File, how int) (err error) {
	for range lockTries {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(lockPause)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("%s %w by %s\nhint: only one plugtone can use a data directory; stop the other or choose another --data-dir", f.Name(), ErrBusy, lockHolder(f))
	case err != nil:
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}

// lockHolder names the process that has f locked, as far as the kernel shows it.
func lockHolder(f *os.File) string {
	const unknown = "another process"
	info, err := f.Stat()
	if err != nil {
		return unknown
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.Open("/proc/locks")
	if err != nil || !ok {
		return unknown
	}
	defer locks.Close()
	inode := ":" + strconv.FormatUint(stat.Ino, 10)
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 1234 08:01:131090 0 EOF
		w := strings.Fields(lines.Text())
		if len(w) < 6 || w[1] != "FLOCK" || !strings.HasSuffix(w[5], inode) {
			continue
		}
		comm, err := os.ReadFile(filepath.Join("/proc", w[4], "comm"))
		if err != nil {
			return "process " + w[4]
		}
		return fmt.Sprintf("process %s (%s)", w[4], strings.TrimSpace(string(comm)))
	}
	return unknown
}
