package copies

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/uploads"
)

// Bounds of a fetch of another member.
const (
	maxFetchName = 255
	maxAhead     = 24 * time.Hour // of its clock
)

// allFetches returns the fetches after a key, given in hexadecimal.
func (x *Copies) allFetches(after string) (out page[fleet.Fetch], err error) {
	key, err := hex.DecodeString(after)
	if err != nil {
		return out, fmt.Errorf("%w: %w", errAfter, err)
	}
	out.Items, key, err = x.cfg.Fetches.FetchesAfter(key, pageItems)
	out.After = hex.EncodeToString(key)
	return out, err
}

// copyFetch records a fetch from another member unless this member has the same or a later one of the file.
func (x *Copies) copyFetch(ctx context.Context, from source, f fleet.Fetch) error {
	if f.File == "" || len(f.File) > maxFetchName || f.Time.Unix() <= 0 || f.Time.Sub(x.cfg.Now()) > maxAhead {
		x.refused(Fetch, from.member, "the fetch of "+fileName(f.MAC, f.File), fmt.Errorf("%w: its name or time, %s", uploads.ErrNotCopied, f.Time.UTC().Format(time.RFC3339)))
		return nil
	}
	if known, err := x.cfg.Recorded(f.MAC); err != nil || !known {
		return errors.Join(err, errUnrecorded)
	}
	own, err := x.cfg.Fetches.Fetches(f.MAC)
	if err != nil {
		return err
	}
	for _, o := range own {
		if o.File == f.File && !f.Time.After(o.Time) {
			return nil
		}
	}
	x.cfg.Fetches.RecordFetch(f)
	x.count(Fetch, outcomeCopied, 0)
	x.cfg.Copied(f.MAC)
	return x.records.wait(ctx, 1) // the next one
}
