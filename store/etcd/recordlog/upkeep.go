package recordlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/store/etcd"
)

const (
	snapshotRetry = time.Minute // after a snapshot that could not be written
	tidyEvery     = time.Hour   // how often abandoned parts are looked for
)

// upkeep writes snapshots when they are due, until they are written, and removes abandoned parts.
func upkeep(ctx context.Context, l *Log) {
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-l.due:
			if err = l.WriteSnapshot(ctx); err != nil {
				l.Log.Warn("a snapshot of the records was not written to etcd: it is tried again", "err", err)
				time.AfterFunc(l.snapshotRetry, l.wantSnapshot)
			}
		case <-tidy.C:
			if err = removeAbandoned(ctx, l); err != nil {
				l.Log.Warn("parts of changes that were not made are still in etcd", "err", err)
			}
		}
	}
}

// removeAbandoned removes the parts of entries that were not added: those with the number of an entry that another one has. A member that
// died while it staged them, or whose write had an unknown outcome, leaves them. Parts after the newest entry may be those of a write under way.
func removeAbandoned(ctx context.Context, l *Log) error {
	h, _, _, err := l.readHead(ctx)
	if err != nil {
		return err
	}
	staged, err := stagedIDs(ctx, l.Etcd, h.Seq)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range staged {
		made, err := added(ctx, l.Etcd, id)
		if err == nil && !made {
			_, err = l.Etcd.Delete(ctx, stagedPrefix+id+"/", clientv3.WithPrefix())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// stagedIDs returns the IDs of the entries up to a number that have parts.
func stagedIDs(ctx context.Context, c *etcd.Client, upTo uint64) (ids []string, err error) {
	end := fmt.Sprintf("%s%016x", stagedPrefix, upTo+1)
	for from := stagedPrefix; ; {
		r, err := c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithKeysOnly(), clientv3.WithLimit(1))
		if err != nil || len(r.Kvs) == 0 {
			return ids, err
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(string(r.Kvs[0].Key), stagedPrefix), "/")
		ids = append(ids, id)
		from = clientv3.GetPrefixRangeEnd(stagedPrefix + id + "/")
	}
}

// added reports whether the log has the entry with the ID.
func added(ctx context.Context, c *etcd.Client, id string) (bool, error) {
	number, _, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(number, 16, 64)
	if err != nil {
		return false, fmt.Errorf("%s%s in etcd is no part of an entry", stagedPrefix, id)
	}
	r, err := c.Get(ctx, logKey(seq))
	if err != nil || len(r.Kvs) == 0 {
		return false, err
	}
	e, err := entryOf(seq, r.Kvs[0].Value)
	return e.ID == id, err
}
