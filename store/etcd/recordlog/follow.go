package recordlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/store/dbfile"
	"plugtone/store/etcd"
	"plugtone/store/records"
)

const (
	retryEvery = time.Second      // after the log could not be read
	checkEvery = 10 * time.Second // how often the log is read although nothing was reported
	atOnce     = 50               // entries that are read and applied together, if they arrive in the time of one call
)

// Run follows the log, and writes the snapshots that are due, until ctx ends.
func (l *Log) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { upkeep(ctx, l) })
	for ctx.Err() == nil {
		err := l.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		l.stopped(err, l.Log)
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

// CatchUp implements dbfile.Replica. A transaction that has come after those of others a few times takes the turn: then only this member writes.
func (l *Log) CatchUp(tries int) (done func(), err error) {
	if tries >= triesBeforeTurn {
		done = takeTurn(l)
	}
	if err := awaitTurn(l); err != nil {
		return done, refused(err)
	}
	ctx, cancel := context.WithTimeout(l.ctx, offerTimeout)
	defer cancel()
	if _, err := l.pull(ctx); err != nil {
		return done, refused(err)
	}
	return done, nil
}

// follow brings the copy up to the log, and applies what is added to it until the watch is lost. It reads the log from time to time too: when
// etcd has lost its data, or was restored from an older copy, a watch waits without a word for a revision that is far ahead.
func (l *Log) follow(ctx context.Context) error {
	rev, err := l.pull(ctx)
	if err != nil {
		return err
	}
	if err := repair(ctx, l); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The keys of head and log are one range, without those of parts.
	watched, err := l.Etcd.Watch(ctx, headKey, clientv3.WithRange(clientv3.GetPrefixRangeEnd(logPrefix)), clientv3.WithRev(rev+1))
	if err != nil {
		return err
	}
	l.following(l.Now(), l.Log)
	check := time.NewTicker(l.checkEvery)
	defer check.Stop()
	for {
		select {
		case w, ok := <-watched:
			if err := w.Err(); err != nil || !ok {
				return errors.Join(errors.New("the watch of the log has ended"), err)
			}
			if err := l.apply(ctx, w.Events); err != nil {
				return err
			}
			rev = max(rev, w.Header.Revision)
		case <-check.C:
			now, err := l.pull(ctx)
			if err != nil {
				return err
			}
			if now < rev {
				return errors.New("etcd has an older state than before")
			}
			if rev = now; dbfile.Damaged(l.Records.File()) {
				if err := repair(ctx, l); err != nil {
					return err
				}
			}
		}
	}
}

// apply applies what a watch has returned.
func (l *Log) apply(ctx context.Context, events []*clientv3.Event) error {
	var entries []entry
	var newest head
	for _, ev := range events {
		key := string(ev.Kv.Key)
		switch {
		case key == headKey && ev.Type == mvccpb.DELETE:
			return ErrNoRecords
		case key == headKey:
			h, err := headOf(ev.Kv.Value)
			if err != nil {
				return err
			}
			newest = h
			l.sawHead(h, ev.Kv.ModRevision)
		case ev.Type == mvccpb.PUT:
			e, err := entryAt(ev.Kv)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
	}
	if err := l.applyEntries(ctx, entries); err != nil {
		return err
	}
	if at, err := l.position(); err != nil || at.Seq < newest.Seq {
		return errors.Join(errors.New("an entry of the log did not arrive"), err)
	}
	l.following(l.Now(), l.Log)
	return nil
}

func entryAt(kv *mvccpb.KeyValue) (entry, error) {
	seq, err := strconv.ParseUint(strings.TrimPrefix(string(kv.Key), logPrefix), 16, 64)
	if err != nil {
		return entry{}, fmt.Errorf("%s in etcd is no entry of the log", kv.Key)
	}
	return entryOf(seq, kv.Value)
}

// pull brings the copy up to the log. It returns a revision of etcd at which the copy had everything.
func (l *Log) pull(ctx context.Context) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-l.pulling:
	}
	defer func() { l.pulling <- struct{}{} }()
	for {
		at, err := l.position() // before the head, or an own write in between would look like one that etcd does not have
		if err != nil {
			return 0, err
		}
		h, rev, now, err := l.readHead(ctx)
		if err != nil {
			return 0, err
		}
		behind, err := at.relation(h, l.Records.Revision())
		if err != nil {
			return 0, err
		}
		if !behind {
			l.setHead(h, rev)
			return now, nil
		}
		if err := l.advance(ctx, at, h); err != nil {
			return 0, err
		}
	}
}

// readHead reads the head of the log, its revision and that of etcd.
func (l *Log) readHead(ctx context.Context) (h head, rev, now int64, err error) {
	r, err := l.Etcd.Get(ctx, headKey)
	if err != nil {
		return h, 0, 0, err
	}
	if len(r.Kvs) == 0 {
		return h, 0, 0, ErrNoRecords
	}
	h, err = headOf(r.Kvs[0].Value)
	return h, r.Kvs[0].ModRevision, r.Header.Revision, err
}

// advance applies the next entries, or a snapshot when they are gone.
func (l *Log) advance(ctx context.Context, at position, h head) error {
	if at.Cluster == "" {
		return l.loadSnapshot(ctx, h)
	}
	r, err := getSome(ctx, l.Etcd, logKey(at.Seq+1), logKey(h.Seq+1), atOnce)
	if err != nil {
		return err
	}
	var entries []entry
	for _, kv := range r.Kvs {
		e, err := entryAt(kv)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 || entries[0].seq != at.Seq+1 {
		return l.loadSnapshot(ctx, h)
	}
	return l.applyEntries(ctx, entries)
}

// applyEntries applies entries in one transaction. Those that the copy has already are left out.
func (l *Log) applyEntries(ctx context.Context, entries []entry) error {
	at, err := l.position()
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.seq <= at.Seq })
	if len(entries) == 0 {
		return nil
	}
	changes := make([][]dbfile.Mutation, len(entries))
	for i, e := range entries {
		if e.Schema > l.Schema {
			return fmt.Errorf("entry %d has schema %d: %w", e.seq, e.Schema, ErrNewer)
		}
		if changes[i], err = l.changes(ctx, e); err != nil {
			return err
		}
	}
	var all []dbfile.Mutation
	err = dbfile.UpdateLocally(l.Records.File(), func(tx dbfile.Tx) error {
		if at, err = positionIn(tx); err != nil {
			return err
		}
		all = nil
		for i, e := range entries {
			switch {
			case e.seq <= at.Seq: // a write of this member was committed meanwhile
				continue
			case e.seq != at.Seq+1:
				return fmt.Errorf("entry %d of the log follows %d", e.seq, at.Seq)
			case e.Prev != at.ID:
				return fmt.Errorf("%w (this copy has another entry %d than the log)", ErrDiverged, at.Seq)
			}
			all = append(all, changes[i]...)
			at.Seq, at.ID = e.seq, e.ID
		}
		if all = newest(all); len(all) == 0 {
			return errApplied
		}
		for _, m := range all {
			tx.Advance(0)
			if err := tx.Apply(m); err != nil {
				return err
			}
		}
		return tx.SetMeta(keyPosition, at.value())
	})
	if errors.Is(err, errApplied) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.Records.Applied(all)
}

// errApplied undoes a transaction that would write nothing.
var errApplied = errors.New("this copy has the entries already")

// newest returns the last change of each record, in the order of the keys, in which bbolt writes many records fast.
func newest(all []dbfile.Mutation) []dbfile.Mutation {
	last := make(map[[2]string]dbfile.Mutation, len(all))
	for _, m := range all {
		last[[2]string{m.Table, string(m.Key)}] = m
	}
	return slices.SortedFunc(maps.Values(last), func(a, b dbfile.Mutation) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(string(a.Key), string(b.Key)))
	})
}

// changes reads the changes of an entry.
func (l *Log) changes(ctx context.Context, e entry) (list []dbfile.Mutation, err error) {
	parts := [][]byte{e.data}
	if e.Parts > 0 {
		if parts, err = l.parts(ctx, stagedPrefix+e.ID+"/"); err != nil {
			return nil, err
		}
	}
	stream, err := open(l.Keys, parts, e.place)
	if err != nil {
		return nil, err
	}
	err = readChanges(stream, func(m dbfile.Mutation) error {
		if !records.Replicated(m.Table, m.Key) {
			return fmt.Errorf("entry %d of the log has a change of the table %q, which is not replicated", e.seq, m.Table)
		}
		list = append(list, m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("entry %d of the log: %w", e.seq, err)
	}
	return list, nil
}

// getSome reads at most so many keys of a range: fewer when they do not arrive in the time of one call, as over a slow line.
func getSome(ctx context.Context, c *etcd.Client, from, end string, most int64) (r *clientv3.GetResponse, err error) {
	for ; ; most = 1 {
		r, err = c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(most))
		if most == 1 || !errors.Is(err, etcd.ErrUnavailable) || ctx.Err() != nil {
			return r, err
		}
	}
}

// parts reads the values of the keys that begin with prefix, in order.
func (l *Log) parts(ctx context.Context, prefix string) (parts [][]byte, err error) {
	end := clientv3.GetPrefixRangeEnd(prefix)
	for from := prefix; ; {
		r, err := getSome(ctx, l.Etcd, from, end, 8)
		if err != nil {
			return nil, err
		}
		for _, kv := range r.Kvs {
			parts = append(parts, kv.Value)
			from = string(kv.Key) + "\x00"
		}
		if !r.More {
			return parts, nil
		}
	}
}
