package copies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/uploads"
)

// errUnrecorded is why a file is copied later: this member may lack the newest records.
var errUnrecorded = errors.New("the phone has no device record here")

// errBusy is why a file is copied later: it is being copied from another member.
var errBusy = errors.New("the file is being copied from another member")

// copyFile copies a file unless this member has that version or a later one.
func (x *Copies) copyFile(ctx context.Context, from source, l listed) error {
	f := uploads.File{MAC: l.MAC, Key: l.Key, Time: time.UnixMicro(l.Time)}
	outcome, n, err := x.tryCopy(ctx, from, f)
	switch {
	case errors.Is(err, errGone):
		return nil
	case errors.Is(err, uploads.ErrNotCopied) || errors.Is(err, uploads.ErrTooLarge) || errors.Is(err, uploads.ErrNoRoom):
		x.refused(Upload, from.member, fileName(f.MAC, f.Key), err)
		return nil
	case err != nil && !errors.Is(err, errUnrecorded) && ctx.Err() == nil:
		x.count(Upload, outcomeFailed, 0)
	}
	if err == nil && outcome != "" {
		x.count(Upload, outcome, n)
		x.cfg.Copied(f.MAC)
	}
	return err
}

// tryCopy copies a file, and returns its outcome, "" when nothing was to be done, and its size. One caller at a time copies a file.
func (x *Copies) tryCopy(ctx context.Context, from source, f uploads.File) (outcome string, n int64, err error) {
	if has, err := x.cfg.Uploads.Has(f); has || err != nil {
		return "", 0, err
	}
	if known, err := x.cfg.Recorded(f.MAC); err != nil || !known {
		return "", 0, errors.Join(err, errUnrecorded)
	}
	if !x.begin(f) {
		return "", 0, errBusy
	}
	defer x.end(f)
	if err := x.slots.Acquire(ctx, 1); err != nil {
		return "", 0, err
	}
	defer x.slots.Release(1)
	free, err := x.cfg.Room()
	if err == nil && free < leastRoom {
		err = fmt.Errorf("the disk of this member has %d MiB left, and uploads are copied while it has %d", free>>20, leastRoom>>20)
	}
	if err != nil {
		return "", 0, err
	}
	return x.fetch(ctx, from, f)
}

// fetch copies a file, or confirms it when this member has the same bytes.
func (x *Copies) fetch(ctx context.Context, from source, f uploads.File) (outcome string, n int64, err error) {
	tag, err := x.ownDigest(f)
	if err != nil {
		return "", 0, err
	}
	answer, err := from.open(ctx, f, tag)
	if err != nil {
		return "", 0, err
	}
	if answer.body == nil {
		return outcomeSame, 0, x.cfg.Uploads.Confirm(answer.File)
	}
	defer answer.body.Close()
	u, err := x.cfg.Uploads.BeginCopy(answer.File, answer.size)
	if err != nil {
		return "", 0, err
	}
	defer u.Abort()
	if err := x.receive(ctx, answer.body, u); err != nil {
		return "", 0, err
	}
	if u.Size() != answer.size {
		return "", 0, fmt.Errorf("%w: it has %d bytes, not %d", errOfFile, u.Size(), answer.size)
	}
	return outcomeCopied, u.Size(), u.Commit()
}

// receive writes what a member sends into u.
func (x *Copies) receive(ctx context.Context, body io.Reader, u *uploads.Upload) error {
	for buf := make([]byte, 32<<10); ; {
		n, err := body.Read(buf)
		if _, err := u.Write(buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errOfFile, err)
		}
		if err := x.bytes.wait(ctx, n); err != nil {
			return err
		}
	}
}

// ownDigest returns the digest of this member's newest version; "" when it has none, or none that can be read.
func (x *Copies) ownDigest(f uploads.File) (string, error) {
	r, _, err := x.cfg.Uploads.OpenKey(f.MAC, f.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	defer r.Close()
	tag, err := digest(r)
	if err != nil {
		return "", nil // it is damaged: the copy takes its place
	}
	return tag, nil
}

// fileName names a file.
func fileName(mac dhcp.MAC, key string) string {
	return uploads.FolderName + "/" + mac.Hex() + "/" + dhcp.Printable(key, 200)
}

// refused counts what can't be copied, and logs it once.
func (x *Copies) refused(what, member, name string, err error) {
	x.count(what, outcomeRefused, 0)
	x.mu.Lock()
	known := x.skipped[name] || len(x.skipped) >= pageItems
	if !known {
		x.skipped[name] = true
	}
	x.mu.Unlock()
	if !known {
		x.cfg.Log.Warn("what another member has is not copied", "member", member, "what", name, "err", err)
	}
}

// begin reports whether the caller is the only one that copies a file.
func (x *Copies) begin(f uploads.File) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	name := fileName(f.MAC, f.Key)
	if x.coming[name] {
		return false
	}
	x.coming[name] = true
	return true
}

func (x *Copies) end(f uploads.File) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.coming, fileName(f.MAC, f.Key))
}

// rate bounds how many bytes are read, or fetches recorded, in a time.
type rate struct {
	most int // in rateTime

	mu   sync.Mutex
	next time.Time
}

// wait waits until n more are within the bound.
func (r *rate) wait(ctx context.Context, n int) error {
	r.mu.Lock()
	now := time.Now()
	if r.next.Before(now) {
		r.next = now
	}
	pause := r.next.Sub(now)
	r.next = r.next.Add(rateTime * time.Duration(n) / time.Duration(r.most))
	r.mu.Unlock()
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
