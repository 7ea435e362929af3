package dbfile

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// errUnreadable is wrapped when a mapped page could not be read, or bbolt panicked over what it holds.
var errUnreadable = errors.New("a page can't be read")

// nilPage is the part of the address space that no map is in: a fault there is a mistake in the program.
const nilPage = 4096

// guard runs fn and returns a fault on a mapped page, and a panic of bbolt, as an error. The kernel signals a page of a
// map that it can't read, because the disk fails or the file is too short. Other panics go on.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		at, isFault := p.(interface{ Addr() uintptr })
		if !(isFault && at.Addr() >= nilPage) && !inBolt() {
			panic(p)
		}
		err = fmt.Errorf("%w: %v", errUnreadable, p)
	}()
	return fn()
}

// inBolt reports whether the function that panicked is one of bbolt's.
func inBolt() bool {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for panicking := false; ; {
		frame, more := frames.Next()
		switch isRuntime := strings.HasPrefix(frame.Function, "runtime."); {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && !isRuntime:
			return strings.HasPrefix(frame.Function, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}
