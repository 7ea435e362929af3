package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/store/dbfile"
	"plugtone/store/records"
	"plugtone/store/seal"
)

// readKeys reads the key file. It makes one when nothing is encrypted yet. Without the key of records that are encrypted, plugtone
// starts all the same: leases need no key.
func (o *opening) readKeys() error {
	if o.cfg.KeyFile == "" {
		return nil
	}
	ring, err := seal.Read(o.cfg.KeyFile)
	if err == nil {
		o.keys = ring
		return nil
	}
	id, sealedErr := o.sealedBy()
	if sealedErr != nil {
		return sealedErr
	}
	switch {
	case id != "":
		o.cfg.Log.Error("the key of the records can't be read", "err", err)
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("key of the records: %w", err)
	}
	ring = seal.New()
	if err := ring.Write(o.cfg.KeyFile); err != nil {
		return fmt.Errorf("make the key of the records: %w", err)
	}
	o.cfg.Log.Info("made the key that records are encrypted with: copy it to a safe place, apart from backups", "path", o.cfg.KeyFile, "key", ring.ID())
	o.keys = ring
	return nil
}

func (o *opening) sealedBy() (string, error) {
	if st, ok := o.states[records.FileName]; ok && st.Empty {
		return "", nil
	}
	return dbfile.SealedBy(o.path(records.FileName))
}

// MissingKey returns the id of the key that the records in a data directory are encrypted with and that its key file does not have; ""
// when nothing is missing, or the records can't be read.
func MissingKey(dir string) string {
	id, err := dbfile.SealedBy(filepath.Join(dir, records.FileName))
	if err != nil || id == "" {
		return ""
	}
	if ring, err := seal.Read(filepath.Join(dir, seal.FileName)); err == nil && ring.Has(id) {
		return ""
	}
	return id
}

// RotateConfig is what RotateKey needs. All members but CheckCommand must be set.
type RotateConfig struct {
	Dir          string // data directory that no daemon uses
	KeyFile      string
	Forget       bool // remove the older keys
	Now          func() time.Time
	Log          *slog.Logger
	CheckCommand []string // as in Config
}

// RotateKey encrypts the records of a data directory, what phones have uploaded and the answers of PBXs with a new key and returns its id.
// The key file has the new key before the first of them is encrypted with it, and the older ones until the last is.
func RotateKey(ctx context.Context, c RotateConfig) (id string, err error) {
	ring, err := seal.Read(c.KeyFile)
	if err != nil {
		return "", fmt.Errorf("key of the records: %w", err)
	}
	lock, err := dbfile.LockDir(c.Dir)
	if err != nil {
		return "", err
	}
	if sealed, err := dbfile.SealedBy(filepath.Join(c.Dir, records.FileName)); err != nil || sealed != "" && !ring.Has(sealed) {
		return "", errors.Join(fmt.Errorf("%s does not have the key %s of the records: nothing was changed", c.KeyFile, sealed), err, lock.Close())
	}
	if err := lock.Close(); err != nil {
		return "", err
	}
	ring.Rotate()
	if err := ring.Write(c.KeyFile); err != nil {
		return "", err
	}
	s, err := Open(Config{Dir: c.Dir, KeyFile: c.KeyFile, Now: c.Now, Log: c.Log, Registerer: prometheus.NewRegistry(), CheckCommand: c.CheckCommand})
	if err != nil {
		return "", err
	}
	if err := errors.Join(s.Health(), sealFiles(ctx, c.Dir, s.Cipher()), s.Close()); err != nil {
		return "", err
	}
	if c.Forget {
		ring.Forget()
		if err := ring.Write(c.KeyFile); err != nil {
			return "", err
		}
	}
	return ring.ID(), nil
}
