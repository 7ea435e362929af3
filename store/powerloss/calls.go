package powerloss

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// resolve returns the place of a path below the folder, as the program sees it. ok is false for all other paths.
func (r *recorder) resolve(dirfd int, name []byte) (at place, ok bool) {
	full := strings.TrimSuffix(string(name), "\x00")
	if !filepath.IsAbs(full) {
		dir := r.files[dirfd]
		if dir == nil {
			return at, false
		}
		full = filepath.Join(dir.path, full)
	}
	rel, err := filepath.Rel(r.dir, full)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return at, false
	}
	at = place{r.trace.root, path.Base(rel)}
	for _, part := range strings.Split(rel, "/")[:strings.Count(rel, "/")] {
		at.dir = r.tree[at.dir][part]
		if at.dir == nil || !at.dir.isDir {
			return at, false
		}
	}
	return at, true
}

// absolute returns the path that a call means.
func absolute(r *recorder, dirfd int, name []byte) string {
	full := string(name)
	if dir := r.files[dirfd]; dir != nil && !filepath.IsAbs(full) {
		full = filepath.Join(dir.path, full)
	}
	return filepath.Clean(full)
}

func (r *recorder) open(c call) error {
	name, err := c.bytes(1)
	if err != nil {
		return err
	}
	flags := strings.Split(c.args[2], "|")
	o := &opened{path: absolute(r, c.fd(0), name), dsync: slices.Contains(flags, "O_DSYNC") || slices.Contains(flags, "O_SYNC")}
	r.files[int(c.result)] = o
	if o.path == r.dir {
		o.node = r.trace.root
		return nil
	}
	at, ok := r.resolve(c.fd(0), name)
	if !ok {
		return nil
	}
	if o.node = r.tree[at.dir][at.name]; o.node == nil {
		o.node = r.newNode(false)
		r.rename(c, place{}, at, o.node)
	}
	if slices.Contains(flags, "O_TRUNC") && o.node.now.size > 0 {
		r.change(c, o.node, write{truncate: true})
	}
	return nil
}

func (r *recorder) close(c call) error { delete(r.files, c.fd(0)); return nil }

func (r *recorder) dup(c call) error {
	if o := r.files[c.fd(0)]; o != nil {
		r.files[int(c.result)] = o
	}
	return nil
}

func (r *recorder) fcntl(c call) error {
	if strings.HasPrefix(c.args[1], "F_DUPFD") {
		return r.dup(c)
	}
	return nil
}

// change notes a change of a file's content.
func (r *recorder) change(c call, n *node, w write) {
	w.begin, w.end = c.begin, c.end
	if w.durable == 0 {
		w.durable = never
	}
	n.writes = append(n.writes, w)
	w.apply(&n.now)
	r.changed(c)
}

// changed notes that the files may be others from the beginning of a call on, and others from its end on.
func (r *recorder) changed(c call) { r.trace.Moments = append(r.trace.Moments, c.begin, c.end) }

func (w write) apply(b *blob) {
	if w.truncate {
		b.truncate(w.off)
		return
	}
	b.write(w.off, w.data)
}

// written notes bytes that were written through a descriptor.
func (r *recorder) written(c call, o *opened, off int64, data []byte) {
	w := write{off: off, data: data}
	if o.dsync {
		w.durable = c.end
		r.trace.Syncs++
	}
	r.change(c, o.node, w)
}

func (r *recorder) write(c call) error {
	data, err := c.bytes(1)
	if err != nil {
		return err
	}
	data = data[:c.result]
	o := r.files[c.fd(0)]
	if o == nil && c.fd(0) == 1 {
		r.acknowledge(string(data), c.end)
		return nil
	}
	if o == nil || o.node == nil {
		return nil
	}
	r.written(c, o, o.at, data)
	o.at += c.result
	return nil
}

func (r *recorder) acknowledge(text string, at int) {
	lines := strings.Split(r.line+text, "\n")
	for _, line := range lines[:len(lines)-1] {
		r.trace.Acks = append(r.trace.Acks, Ack{at, line})
		r.trace.Moments = append(r.trace.Moments, at)
	}
	r.line = lines[len(lines)-1]
}

func (r *recorder) pwrite(c call) error {
	o := r.files[c.fd(0)]
	if o == nil || o.node == nil {
		return nil
	}
	data, err := c.bytes(1)
	if err != nil {
		return err
	}
	r.written(c, o, c.number(3), data[:c.result])
	return nil
}

// copyRange is copy_file_range(2) without offsets, as Go's io.Copy calls it.
func (r *recorder) copyRange(c call) error {
	from, to := r.files[c.fd(0)], r.files[c.fd(2)]
	if from == nil || to == nil || c.args[1] != "NULL" || c.args[3] != "NULL" {
		return refuse(r, c)
	}
	if from.node != nil && to.node != nil && c.result > 0 {
		r.written(c, to, to.at, from.node.now.read(from.at, c.result))
	} else if to.node != nil && c.result > 0 {
		return refuse(r, c)
	}
	from.at += c.result
	to.at += c.result
	return nil
}

// position follows the place in a file that read(2) and lseek(2) leave.
func (r *recorder) position(c call) error {
	o := r.files[c.fd(0)]
	switch {
	case o == nil:
	case c.name == "lseek":
		o.at = c.result
	default:
		o.at += c.result
	}
	return nil
}

func (r *recorder) ftruncate(c call) error {
	if o := r.files[c.fd(0)]; o != nil && o.node != nil {
		r.change(c, o.node, write{truncate: true, off: c.number(1)})
	}
	return nil
}

// sync makes durable what was written, or renamed in a folder, before it began.
func (r *recorder) sync(c call) error {
	o := r.files[c.fd(0)]
	if o == nil || o.node == nil {
		return nil
	}
	r.trace.Syncs++
	r.changed(c)
	for i := range o.node.writes {
		if w := &o.node.writes[i]; w.end < c.begin {
			w.durable = min(w.durable, c.end)
		}
	}
	for _, n := range r.trace.names {
		if n.end >= c.begin || !n.waits[o.node] {
			continue
		}
		if delete(n.waits, o.node); len(n.waits) == 0 {
			n.durable = c.end
		}
	}
	return nil
}

// rename notes a change of names.
func (r *recorder) rename(c call, from, to place, n *node) {
	ch := &rename{begin: c.begin, end: c.end, durable: never, from: from, to: to, node: n, waits: map[*node]bool{}}
	for _, p := range []place{from, to} {
		if p.dir != nil {
			ch.waits[p.dir] = true
		}
	}
	r.trace.names = append(r.trace.names, ch)
	r.tree.apply(ch)
	r.changed(c)
}

// places resolves two pairs of arguments, or one.
func places(r *recorder, c call, first ...int) (all []place, err error) {
	for _, i := range first {
		name, err := c.bytes(i + 1)
		if err != nil {
			return nil, err
		}
		if at, ok := r.resolve(c.fd(i), name); ok {
			all = append(all, at)
		}
	}
	return all, nil
}

func (r *recorder) renameat(c call) error {
	at, err := places(r, c, 0, 2)
	if err == nil && len(at) == 1 {
		return refuse(r, c)
	}
	if err == nil && len(at) == 2 {
		r.rename(c, at[0], at[1], nil)
	}
	return err
}

func (r *recorder) unlinkat(c call) error {
	at, err := places(r, c, 0)
	if err == nil && len(at) == 1 {
		r.rename(c, at[0], place{}, nil)
	}
	return err
}

func (r *recorder) mkdirat(c call) error {
	at, err := places(r, c, 0)
	if err == nil && len(at) == 1 {
		r.rename(c, place{}, at[0], r.newNode(true))
	}
	return err
}

func (r *recorder) linkat(c call) error {
	at, err := places(r, c, 0, 2)
	if err == nil && len(at) == 2 {
		r.rename(c, place{}, at[1], r.tree[at[0].dir][at[0].name])
	}
	return err
}
