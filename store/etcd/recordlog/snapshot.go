package recordlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/store/dbfile"
	"plugtone/store/etcd"
	"plugtone/store/records"
)

const (
	snapshotEvery = 1000     // entries
	snapshotBytes = 64 << 20 // of entries
	keptEntries   = 100      // before the snapshot, for copies that are a little behind
)

// wantSnapshot makes the follower write a snapshot.
func (l *Log) wantSnapshot() {
	select {
	case l.due <- struct{}{}:
	default:
	}
}

func snapshotPlace(name string) func(part int) string {
	return func(part int) string { return fmt.Sprintf("snapshot %s, %d", name, part) }
}

// WriteSnapshot writes all records to etcd, and removes the entries that it makes unnecessary.
func (l *Log) WriteSnapshot(ctx context.Context) error {
	at, name, damaged, err := l.putSnapshot(ctx)
	if err == nil && damaged > 0 { // the entries that are kept have what this copy lacks
		err = fmt.Errorf("%d records of this copy are damaged: it loads the records of the cluster again", damaged)
	}
	if err != nil {
		_, again := l.Etcd.Delete(ctx, snapshotPrefix+name+"/", clientv3.WithPrefix()) // what is left goes with the next snapshot
		return errors.Join(err, again)
	}
	for {
		h, rev, _, err := l.readHead(ctx)
		if err != nil {
			return err
		}
		if h.Cluster != at.Cluster || h.Snapshot >= name { // names begin with the number of the entry
			_, err := l.Etcd.Delete(ctx, snapshotPrefix+name+"/", clientv3.WithPrefix())
			return err
		}
		h.Snapshot, h.Bytes = name, 0
		unchanged := clientv3.Compare(clientv3.ModRevision(headKey), "=", rev)
		done, err := l.Etcd.Txn(ctx, []clientv3.Cmp{unchanged}, []clientv3.Op{clientv3.OpPut(headKey, h.value())}, nil)
		if err != nil {
			return err
		}
		if done.Succeeded {
			return l.trim(ctx, at.Seq, name)
		}
	}
}

// putSnapshot writes the parts of a snapshot, and returns how many damaged records it lacks.
func (l *Log) putSnapshot(ctx context.Context) (at position, name string, damaged int, err error) {
	err = l.Records.File().View(func(tx dbfile.Tx) error {
		if at, err = positionIn(tx); err != nil {
			return err
		}
		name = newID(at.Seq)
		w := &partWriter{keys: l.Keys, place: snapshotPlace(name), put: func(part int, sealed []byte) error {
			return l.Etcd.Put(ctx, fmt.Sprintf("%s%s/%08x", snapshotPrefix, name, part), string(sealed))
		}}
		position := dbfile.Mutation{Table: dbfile.MetaTable, Key: []byte(keyPosition), Payload: at.value()}
		damaged, err = tx.Each(records.Replicated, func(m dbfile.Mutation) error { return writeChange(w, m) })
		return errors.Join(err, writeChange(w, position), writeEnd(w), w.Close())
	})
	return at, name, damaged, err
}

// trim removes what a snapshot makes unnecessary: old entries, their parts and those of entries that were never added, and older snapshots.
func (l *Log) trim(ctx context.Context, seq uint64, name string) error {
	var errs []error
	for prefix, end := range map[string]string{
		logPrefix:      logKey(seq - min(seq, keptEntries)),
		stagedPrefix:   fmt.Sprintf("%s%016x", stagedPrefix, seq-min(seq, keptEntries)),
		snapshotPrefix: snapshotPrefix + name,
	} {
		_, err := l.Etcd.Delete(ctx, prefix, clientv3.WithRange(end))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// keyDamaged holds how many damaged records had been set aside when this copy was loaded.
const keyDamaged = "cluster_damaged"

// repairEvery is how often a copy is loaded again at most: a disk may damage what is written to it at once.
const repairEvery = 10 * time.Minute

// repair loads the records again when damaged ones of this copy were read, or set aside since it was loaded last. The others have them.
func repair(ctx context.Context, l *Log) error {
	var aside, before uint64
	err := l.Records.File().View(func(tx dbfile.Tx) error {
		aside, before = uint64(tx.Table(dbfile.DamagedTable).Stats().KeyN), tx.Number(keyDamaged)
		return nil
	})
	damaged := dbfile.Damaged(l.Records.File()) && (l.repaired.IsZero() || l.Now().Sub(l.repaired) >= repairEvery)
	if err != nil || aside == before && !damaged {
		return err
	}
	h, _ := l.lastHead()
	if err := l.loadSnapshot(ctx, h); err != nil {
		return err
	}
	l.repaired = l.Now()
	if _, err := l.pull(ctx); err != nil {
		return err
	}
	return dbfile.UpdateLocally(l.Records.File(), func(tx dbfile.Tx) error { return tx.SetNumber(keyDamaged, aside) })
}

// loadSnapshot replaces the records of this copy by those of the snapshot.
func (l *Log) loadSnapshot(ctx context.Context, h head) error {
	if h.Schema > l.Schema {
		return fmt.Errorf("the snapshot has schema %d: %w", h.Schema, ErrNewer)
	}
	parts, err := l.parts(ctx, snapshotPrefix+h.Snapshot+"/")
	if err != nil {
		return err
	}
	stream, err := open(l.Keys, parts, snapshotPlace(h.Snapshot))
	if err != nil {
		return err
	}
	l.Log.Info("the records of this appliance are replaced by those of the cluster", "snapshot", h.Snapshot)
	replaced := func(table string, key []byte) bool { return records.Replicated(table, key) || isPosition(table, key) }
	err = dbfile.ReplaceRecords(l.Records.File(), replaced, func(put func(dbfile.Mutation) error) error { return readChanges(stream, put) })
	if err != nil {
		return fmt.Errorf("snapshot %s of the records: %w", h.Snapshot, err)
	}
	return l.Records.Reloaded()
}

// ErrHasRecords is returned by Import when etcd has the records of a cluster already.
var ErrHasRecords = errors.New("etcd has the records of a cluster already: run \"plugtone cluster join\" to follow them")

// Import makes the records of this appliance those of the cluster. With restore they are a copy of a cluster whose data etcd has lost, and
// other copies that were no further go on from it; without it they are no copy. dryRun checks only.
func Import(ctx context.Context, l *Log, restore, dryRun bool) error {
	at, err := l.position()
	if err != nil {
		return err
	}
	switch {
	case restore && at.Cluster == "":
		return errors.New("the records of this appliance are no copy of a cluster's: import them without --restore")
	case !restore && at.Cluster != "":
		return errors.New("the records of this appliance are a copy of a cluster's, whose data etcd does not have: import them with --restore if it is lost, or see whether cluster.etcd.prefix is right")
	}
	if _, _, _, err := l.readHead(ctx); err == nil {
		return ErrHasRecords
	} else if !errors.Is(err, ErrNoRecords) {
		return err
	}
	if dryRun {
		return nil
	}
	if !restore {
		at = position{Cluster: newID(0), ID: newID(0)}
		if err := dbfile.UpdateLocally(l.Records.File(), func(tx dbfile.Tx) error { return tx.SetMeta(keyPosition, at.value()) }); err != nil {
			return err
		}
	}
	err = begin(ctx, l, at)
	if err != nil && !restore && !errors.Is(err, etcd.ErrUnavailable) {
		err = errors.Join(err, Forget(l))
	}
	return err
}

// begin writes the snapshot and the head of a new log that goes on from at.
func begin(ctx context.Context, l *Log, at position) error {
	_, name, _, err := l.putSnapshot(ctx)
	if err != nil {
		return err
	}
	h := head{Cluster: at.Cluster, Seq: at.Seq, ID: at.ID, Schema: l.Schema, Snapshot: name}
	absent := clientv3.Compare(clientv3.CreateRevision(headKey), "=", 0)
	done, err := l.Etcd.Txn(ctx, []clientv3.Cmp{absent}, []clientv3.Op{clientv3.OpPut(headKey, h.value())}, nil)
	if err == nil && !done.Succeeded {
		return ErrHasRecords
	}
	return err
}

// Join replaces the records of this appliance by those of the cluster. discard allows that for records that are no copy, or a copy with
// changes that etcd does not have.
func Join(ctx context.Context, l *Log, discard bool) error {
	_, err := l.pull(ctx)
	if !discard || !errors.Is(err, ErrForeign) && !errors.Is(err, ErrOther) && !errors.Is(err, ErrDiverged) {
		return err
	}
	h, _, _, err := l.readHead(ctx)
	if err != nil {
		return err
	}
	if err := l.loadSnapshot(ctx, h); err != nil {
		return err
	}
	_, err = l.pull(ctx)
	return err
}

// Forget makes the records of this appliance its own again.
func Forget(l *Log) error {
	return dbfile.UpdateLocally(l.Records.File(), func(tx dbfile.Tx) error { return tx.SetMeta(keyPosition, nil) })
}
