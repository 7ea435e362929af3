package dbfile

import (
	"os"
	"reflect"
	"unsafe"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// writeOutEvery is how many bytes of a commit wait in memory before they are written to the disk. bbolt leaves all of them to the sync at the
// end, and meanwhile no lease gets to the disk: a commit of 100 MB, that of 100,000 devices, held up DHCP replies for 70 to 130 ms
// (BenchmarkLeaseBesideCommit).
const writeOutEvery = 1 << 20

// writeOut writes the pages of bbolt's transactions, of which there is one at a time.
type writeOut struct {
	file     *os.File // bbolt's
	every    int      // bytes
	waiting  int      // bytes that may not be on the disk
	from, to int64    // where they are
	out      func(f *os.File, at, n int64) error
}

// paceWrites makes db write large commits to the disk a part at a time. A bbolt without that unexported function is left as it is.
func paceWrites(db *bolt.DB, file *os.File) *writeOut {
	w := &writeOut{file: file, every: writeOutEvery, out: writeOutRange}
	field := reflect.ValueOf(db).Elem().FieldByName("ops")
	if field.Kind() == reflect.Struct {
		field = field.FieldByName("writeAt")
	}
	if field.IsValid() && field.Type() == reflect.TypeFor[func([]byte, int64) (int, error)]() {
		*(*func([]byte, int64) (int, error))(unsafe.Pointer(field.UnsafeAddr())) = w.WriteAt
	}
	return w
}

// WriteAt implements io.WriterAt.
func (w *writeOut) WriteAt(b []byte, at int64) (int, error) {
	n, err := w.file.WriteAt(b, at)
	if w.waiting == 0 {
		w.from, w.to = at, at
	}
	w.from, w.to, w.waiting = min(w.from, at), max(w.to, at+int64(n)), w.waiting+n
	if err != nil || w.waiting < w.every {
		return n, err
	}
	w.waiting = 0
	return n, w.out(w.file, w.from, w.to-w.from)
}

// writeOutRange waits until bytes of a file have been sent to the disk, which may keep them in its own memory. Where the system can't do that
// it returns nil: the sync at the end of the commit does.
func writeOutRange(f *os.File, at, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), at, n, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	switch err {
	case unix.EIO, unix.ENOSPC, unix.EDQUOT: // the kernel reports a write that failed once: the sync would succeed
		return os.NewSyscallError("sync_file_range", err)
	}
	return nil
}
