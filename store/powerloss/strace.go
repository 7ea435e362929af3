package powerloss

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// handler applies a call that succeeded.
type handler func(*recorder, call) error

// handlers are the calls that are traced. One that changes files and is missing here would not be seen.
func handlers() map[string]handler {
	return map[string]handler{
		"openat": (*recorder).open, "close": (*recorder).close, "dup": (*recorder).dup, "dup3": (*recorder).dup, "fcntl": (*recorder).fcntl,
		"write": (*recorder).write, "pwrite64": (*recorder).pwrite, "copy_file_range": (*recorder).copyRange,
		"lseek": (*recorder).position, "read": (*recorder).position,
		"ftruncate": (*recorder).ftruncate, "fsync": (*recorder).sync, "fdatasync": (*recorder).sync,
		"renameat": (*recorder).renameat, "renameat2": (*recorder).renameat, "unlinkat": (*recorder).unlinkat, "mkdirat": (*recorder).mkdirat, "linkat": (*recorder).linkat,
		"fallocate": refuse, "sendfile": refuse, "writev": refuse, "pwritev": refuse, "pwritev2": refuse, "rename": refuse, "unlink": refuse, "rmdir": refuse,
		"mkdir": refuse, "link": refuse, "truncate": refuse, "creat": refuse, "open": refuse, "symlinkat": refuse, "sync_file_range": refuse, "io_uring_setup": refuse,
	}
}

func traced() (names []string) {
	for name := range handlers() {
		names = append(names, name)
	}
	return names
}

// refuse reports a call that the simulation has no rule for.
func refuse(_ *recorder, c call) error { return fmt.Errorf("no rule for %s", c.name) }

// call is a system call.
type call struct {
	name       string
	args       []string
	result     int64
	begin, end int
}

// fd returns an argument as a descriptor; -100 is the working directory.
func (c call) fd(i int) int {
	if c.args[i] == "AT_FDCWD" {
		return -100
	}
	n, _ := strconv.Atoi(c.args[i])
	return n
}

func (c call) number(i int) int64 {
	n, _ := strconv.ParseInt(c.args[i], 0, 64)
	return n
}

// bytes decodes a string that strace wrote in hexadecimal, at most result bytes of it.
func (c call) bytes(i int) ([]byte, error) {
	text := strings.Trim(c.args[i], `"`)
	b, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil || strings.HasSuffix(c.args[i], "...") {
		return nil, fmt.Errorf("%s: argument %d is not whole: %w", c.name, i, err)
	}
	return b, nil
}

// started is a call that has not returned.
type started struct {
	name, args string
	begin      int
}

// recorder follows a trace.
type recorder struct {
	dir    string
	trace  *Trace
	tree   tree            // as the program sees it
	files  map[int]*opened // by descriptor
	moment int
	calls  map[string]started // by thread
	line   string             // of standard output, so far
}

// opened is an open file.
type opened struct {
	node  *node
	path  string
	dsync bool
	at    int64
}

func newRecorder(dir string) *recorder {
	root := &node{isDir: true}
	t := &Trace{root: root, initial: tree{}}
	return &recorder{dir: filepath.Clean(dir), trace: t, tree: tree{root: {}}, files: map[int]*opened{}, calls: map[string]started{}}
}

// read reads strace's lines: "PID name(args) = result", or in two parts where another thread was in between.
func (r *recorder) read(from io.Reader) error {
	for lines := bufio.NewReaderSize(from, 1<<20); ; {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		thread, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rest = strings.TrimLeft(rest, " ")
		switch {
		case strings.HasPrefix(rest, "+++"), strings.HasPrefix(rest, "---"), strings.HasPrefix(rest, "???"): // the last: it was killed in a call that strace had not read
			continue
		case strings.HasPrefix(rest, "<... "):
			_, tail, _ := strings.Cut(rest, " resumed>")
			s := r.calls[thread]
			delete(r.calls, thread)
			err = r.finish(s, s.args+tail)
		default:
			name, args, _ := strings.Cut(rest, "(")
			r.moment++
			s := started{name: name, begin: r.moment}
			if before, unfinished := strings.CutSuffix(args, " <unfinished ...>"); unfinished {
				s.args = before
				r.calls[thread] = s
				continue
			}
			err = r.finish(s, args)
		}
		if err != nil {
			return fmt.Errorf("strace: %.200s: %w", rest, err)
		}
	}
	return nil
}

// finish applies a call that has returned.
func (r *recorder) finish(s started, text string) error {
	args, result, ok := strings.Cut(text, ") ")
	if !ok {
		return fmt.Errorf("call without a result")
	}
	result = strings.TrimLeft(strings.TrimLeft(result, " "), "= ")
	result, _, _ = strings.Cut(result, " ")
	n, err := strconv.ParseInt(result, 0, 64)
	if err != nil || n < 0 {
		return nil // it failed, or the process ended in it
	}
	r.moment++
	h := handlers()[s.name]
	if h == nil {
		return fmt.Errorf("unexpected call %s", s.name)
	}
	return h(r, call{name: s.name, args: strings.Split(args, ", "), result: n, begin: s.begin, end: r.moment})
}
