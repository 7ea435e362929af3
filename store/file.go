package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"

	"plugtone/provision/fleet"
)

// fileMode keeps secrets to the daemon's own user.
const fileMode = 0o600

// lockTries times lockPause is how long a starting daemon waits for a dying one.
const (
	lockTries = 40
	lockPause = 25 * time.Millisecond
)

// file is one open bbolt file.
type file struct {
	name, path string
	db         *bolt.DB
	now        func() time.Time
	commits    prometheus.Observer

	mu      sync.Mutex
	lastErr error // of the last write, nil when it succeeded
}

// mapSize is the address space set aside for a file. While the map is large enough a growing file needs no new map; a new
// map would wait for every open read, so a slow reader would hold up every ACK. Only address space is taken.
func mapSize() int {
	if bits.UintSize == 32 {
		return 256 << 20
	}
	return 1 << 30
}

// openBolt opens a file that has been checked.
func openBolt(path string, noSync bool, maxSize int) (*bolt.DB, error) {
	db, err := bolt.Open(path, fileMode, &bolt.Options{
		Timeout:         lockTries * lockPause, // bbolt waits for ever without one
		NoSync:          noSync,
		NoFreelistSync:  true, // else the whole list is written at each commit
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: mapSize(),
		NoStatistics:    true,
		MaxSize:         maxSize,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// update runs f in one transaction. An error of f is returned as it is; an error of the file names it, wraps
// fleet.ErrInternal and is remembered until a write succeeds.
func (f *file) update(fn func(*bolt.Tx) error) error {
	var fnErr error
	start := f.now()
	err := f.db.Update(func(tx *bolt.Tx) error {
		fnErr = fn(tx)
		return fnErr
	})
	if fnErr != nil {
		return fnErr
	}
	if err == nil {
		f.commits.Observe(f.now().Sub(start).Seconds())
	} else {
		err = f.fault("write", err)
	}
	f.mu.Lock()
	f.lastErr = err
	f.mu.Unlock()
	return err
}

func (f *file) view(fn func(*bolt.Tx) error) error {
	var fnErr error
	err := f.db.View(func(tx *bolt.Tx) error {
		fnErr = fn(tx)
		return fnErr
	})
	if fnErr == nil && err != nil {
		return f.fault("read", err)
	}
	return err
}

// fault names the file in err, unless the operating system's error names it already.
func (f *file) fault(verb string, err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) && pe.Path == f.path {
		return fmt.Errorf("%w: %w", err, fleet.ErrInternal)
	}
	return fmt.Errorf("%s %s: %w: %w", verb, f.path, err, fleet.ErrInternal)
}

func (f *file) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastErr
}

func (f *file) size() int64 {
	info, err := os.Stat(f.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// lockFile opens path, made when missing, with bbolt's own lock, so that a file is never judged or moved while another
// process uses it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w\nhint: the data directory is another user's: run this as that user, or as root", err)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for range lockTries {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(lockPause)
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = fmt.Errorf("%s %w by %s\nhint: only one plugtone can use a data directory; stop the other or choose another --data-dir", path, errBusy, lockHolder(f))
	default:
		err = fmt.Errorf("lock %s: %w", path, err)
	}
	return nil, errors.Join(err, f.Close())
}

// errBusy is the error of a file that another process has open.
var errBusy = errors.New("is in use")

// lockHolder names the process that has f locked, as far as the kernel says.
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

// copyDurably writes what fill gives to path, all of it or nothing.
func copyDurably(path string, fill func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	err = fill(tmp)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(tmp.Name()))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes renames in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
