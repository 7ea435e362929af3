package powerloss

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// never is the moment of what did not happen while the program ran.
const never = math.MaxInt

// node is a file or a folder.
type node struct {
	isDir   bool
	initial blob
	writes  []write
	now     blob // as the program sees it

	base             blob // initial with the first writes, which are durable at the moment foldedAt
	folded, foldedAt int
}

// write is a change of a file's content.
type write struct {
	begin, end, durable int // moments
	truncate            bool
	off                 int64 // or the new size
	data                []byte
}

// rename is a change of names: from is removed if it is set, to is made if it is set.
type rename struct {
	begin, end, durable int
	from, to            place
	node                *node
	waits               map[*node]bool // folders that are not synced since
}

type place struct {
	dir  *node
	name string
}

// tree has the names in each folder.
type tree map[*node]map[string]*node

func (t tree) clone() tree {
	out := tree{}
	for dir, names := range t {
		out[dir] = map[string]*node{}
		for name, n := range names {
			out[dir][name] = n
		}
	}
	return out
}

// apply makes a change of names; one that finds nothing to rename does nothing.
func (t tree) apply(r *rename) {
	n := r.node
	if r.from.dir != nil {
		n = t[r.from.dir][r.from.name]
		if n == nil {
			return
		}
		delete(t[r.from.dir], r.from.name)
	}
	if r.to.dir == nil {
		return
	}
	if t[r.to.dir] == nil {
		t[r.to.dir] = map[string]*node{}
	}
	t[r.to.dir][r.to.name] = n
}

// Ack is a line that the program wrote to its standard output.
type Ack struct {
	Moment int // at which it had been written
	Text   string
}

// Trace is what a program did to a folder. Moments count its system calls: each begins at one and ends at a later one.
type Trace struct {
	Moments []int // after which the files may be others than before
	Acks    []Ack
	Syncs   int // calls that made something durable

	root    *node
	initial tree
	names   []*rename
	nodes   []*node
}

// Record runs cmd in its own process and traces what it does to the files below dir. Every such file must have been closed by other
// programs. The program must write by the usual calls: what it changes through a map of a file is not seen.
func Record(dir string, cmd *exec.Cmd) (*Trace, error) {
	out, err := os.CreateTemp("", "strace-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	if err := out.Close(); err != nil {
		return nil, err
	}
	r := newRecorder(dir)
	if err := r.readInitial(dir, r.trace.root); err != nil {
		return nil, err
	}
	args := []string{"-f", "--seccomp-bpf", "-qq", "-xx", "-s", "67108864", "-e", "signal=none", "-e", "trace=" + strings.Join(traced(), ","), "-o", out.Name(), "--"}
	strace := exec.Command("strace", append(args, cmd.Args...)...)
	strace.Env, strace.Dir = cmd.Env, cmd.Dir
	if text, err := strace.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("strace: %w\n%s", err, text)
	}
	text, err := os.Open(out.Name())
	if err != nil {
		return nil, err
	}
	defer text.Close()
	if err := r.read(text); err != nil {
		return nil, err
	}
	if len(r.trace.Acks) == 0 {
		return nil, errors.New("the program wrote nothing to its standard output")
	}
	return r.trace, nil
}

// readInitial reads the files that are there before the program starts.
func (r *recorder) readInitial(path string, dir *node) error {
	r.trace.initial[dir] = map[string]*node{}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		n := r.newNode(e.IsDir())
		r.trace.initial[dir][e.Name()] = n
		r.tree[dir][e.Name()] = n
		if e.IsDir() {
			if err := r.readInitial(filepath.Join(path, e.Name()), n); err != nil {
				return err
			}
			continue
		}
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s: %w", path, fs.ErrInvalid)
		}
		b, err := os.ReadFile(filepath.Join(path, e.Name()))
		if err != nil {
			return err
		}
		n.initial = newBlob(b)
		n.now = n.initial.clone()
	}
	return nil
}

func (r *recorder) newNode(isDir bool) *node {
	n := &node{isDir: isDir, initial: newBlob(nil), now: newBlob(nil)}
	r.trace.nodes = append(r.trace.nodes, n)
	if isDir {
		r.tree[n] = map[string]*node{}
	}
	return n
}
