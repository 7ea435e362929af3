package recordlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
	"plugtone/store/etcd"
	"plugtone/store/records"
	"plugtone/store/seal"
)

// Keys in etcd.
const (
	headKey        = "records/head"
	logPrefix      = "records/log/"
	stagedPrefix   = "records/staged/"
	snapshotPrefix = "records/snapshot/"
	turnKey        = "records/turn"
)

func logKey(seq uint64) string { return fmt.Sprintf("%s%016x", logPrefix, seq) }

func stagedKey(id string, part int) string { return fmt.Sprintf("%s%s/%08x", stagedPrefix, id, part) }

// newID returns an ID. It begins with the number of the entry, so that those of old entries are one range of keys.
func newID(seq uint64) string {
	var b [8]byte
	rand.Read(b[:]) // never returns an error
	return fmt.Sprintf("%016x-%s", seq, hex.EncodeToString(b[:]))
}

// offerTimeout is how long a write may wait for etcd: less than dbfile.WriteDeadline, after which the disk would be blamed.
const offerTimeout = 2500 * time.Millisecond

// Config is what a Log needs. All members must be set.
type Config struct {
	Etcd      *etcd.Client
	Keys      *seal.Ring // of the cluster
	Records   records.Copy
	Member    string                       // name of this member
	Schema    uint64                       // of this member's records
	Connected func() error                 // nil while etcd is reached
	Members   func() ([]etcd.Member, bool) // of the cluster; false while they are not known
	Now       func() time.Time
	Log       *slog.Logger
}

// Log is the log of the records. It is the Replica of this member's copy.
type Log struct {
	Config
	ctx     context.Context // ends with the daemon; the calls of a Replica have none of their own
	pulling chan struct{}   // holds a token while the copy is not brought up to the log

	due           chan struct{} // holds a token when a snapshot is due
	checkEvery    time.Duration // see follow
	snapshotRetry time.Duration // see upkeep
	repaired      time.Time     // when Run last loaded the records again because some were damaged
	turn
	state
}

// New returns the log. Offers are refused until Run has caught up. ctx ends them.
func New(ctx context.Context, c Config) *Log {
	l := &Log{Config: c, ctx: ctx, pulling: make(chan struct{}, 1), due: make(chan struct{}, 1), checkEvery: checkEvery, snapshotRetry: snapshotRetry,
		state: state{problem: errors.New("it has not been read yet")}}
	l.pulling <- struct{}{}
	return l
}

// refusal is why a write is refused, for the operator whose write it is.
type refusal struct{ reason error }

func refused(reason error) error { return refusal{reason} }

func (r refusal) Error() string { return "records can't be changed now: " + r.reason.Error() }

// Unwrap makes it an internal error: neither the operator nor the records have caused it, and it may pass.
func (r refusal) Unwrap() []error { return []error{r.reason, fleet.ErrInternal} }

// Offer implements dbfile.Replica.
func (l *Log) Offer(tx dbfile.Tx, changes []dbfile.Mutation) error {
	if err := l.writable(); err != nil {
		return refused(err)
	}
	at, err := positionIn(tx)
	if err != nil {
		return err
	}
	h, rev := l.lastHead()
	if h.position() != at {
		return dbfile.ErrBehind
	}
	ctx, cancel := context.WithTimeout(l.ctx, offerTimeout)
	defer cancel()
	e := entry{seq: h.Seq + 1, ID: newID(h.Seq + 1), Prev: h.ID, Schema: l.Schema, Member: l.Member}
	size, err := l.stage(ctx, tx, &e, rev, changes)
	if err == nil {
		h.Seq, h.ID, h.Schema, h.Bytes = e.seq, e.ID, e.Schema, h.Bytes+size
		err = l.add(ctx, e, h, rev)
	}
	if err != nil {
		l.unstage(e, err)
		return err
	}
	if h.Seq%snapshotEvery == 0 || h.Bytes > snapshotBytes {
		l.wantSnapshot()
	}
	return tx.SetMeta(keyPosition, h.position().value())
}

// writable returns nil, or why no write is accepted.
func (l *Log) writable() error {
	if err := l.Connected(); err != nil {
		return err
	}
	if err := l.why(); err != nil {
		return fmt.Errorf("this copy does not follow the cluster's: %w", err)
	}
	members, known := l.Members()
	if !known {
		return errors.New("it is not known yet which members the cluster has")
	}
	for _, m := range members {
		if m.Schema < l.Schema {
			return fmt.Errorf("member %s runs plugtone %s, whose records have the older schema %d: update it first", m.Name, m.Version, m.Schema)
		}
	}
	return nil
}

// stage encodes the changes. If they are more than one part, it stores the parts, as long as no other member adds an entry. It returns how
// many bytes they take.
func (l *Log) stage(ctx context.Context, tx dbfile.Tx, e *entry, rev int64, changes []dbfile.Mutation) (size int64, err error) {
	w := &partWriter{keys: l.Keys, place: e.place, put: func(part int, sealed []byte) error {
		size += int64(len(sealed))
		if part == 0 {
			e.data = sealed
			return nil
		}
		tx.Advance(0)
		if part == 1 { // the entry is too large for its own key
			if err := l.put(ctx, rev, stagedKey(e.ID, 0), e.data); err != nil {
				return err
			}
			e.data = nil
		}
		e.Parts = part + 1
		return l.put(ctx, rev, stagedKey(e.ID, part), sealed)
	}}
	for _, m := range changes {
		if err := writeChange(w, m); err != nil {
			return size, err
		}
	}
	return size, errors.Join(writeEnd(w), w.Close())
}

// put stores a part while the head of the log has the revision rev.
func (l *Log) put(ctx context.Context, rev int64, key string, value []byte) error {
	r, err := l.Etcd.Txn(ctx, []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(headKey), "=", rev), l.mayAdd()}, []clientv3.Op{clientv3.OpPut(key, string(value))}, nil)
	if err != nil {
		return refused(err)
	}
	if !r.Succeeded {
		return dbfile.ErrBehind
	}
	return nil
}

// unstage removes the parts of an entry that was not added. What it can't remove is removed later: see removeAbandoned.
func (l *Log) unstage(e entry, reason error) {
	if e.Parts == 0 || errors.Is(reason, dbfile.ErrOutcomeUnknown) || errors.Is(reason, etcd.ErrUnavailable) {
		return
	}
	if _, err := l.Etcd.Delete(l.ctx, stagedPrefix+e.ID+"/", clientv3.WithPrefix()); err != nil {
		l.Log.Warn("parts of a change that was not made are still in etcd", "err", err)
	}
}

// add adds an entry to the log if the log has not changed since the revision rev. It is offered again until etcd has answered: once in the
// log, it is not added twice.
func (l *Log) add(ctx context.Context, e entry, h head, rev int64) error {
	unchanged := clientv3.Compare(clientv3.ModRevision(headKey), "=", rev)
	then := []clientv3.Op{clientv3.OpPut(logKey(e.seq), e.value()), clientv3.OpPut(headKey, h.value())}
	otherwise := []clientv3.Op{clientv3.OpGet(logKey(e.seq)), clientv3.OpGet(headKey)}
	for tries := 0; ; tries++ {
		r, err := l.Etcd.Txn(ctx, []clientv3.Cmp{unchanged, l.mayAdd()}, then, otherwise)
		switch {
		case err == nil && r.Succeeded:
			l.sawHead(h, r.Header.Revision)
			return nil
		case err == nil:
			return l.alreadyAdded(e, r)
		case !errors.Is(err, etcd.ErrUnavailable) && tries == 0:
			return refused(err)
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w: %w", err, dbfile.ErrOutcomeUnknown, fleet.ErrInternal)
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// alreadyAdded returns nil if an earlier offer has added the entry, else ErrBehind.
func (l *Log) alreadyAdded(e entry, r *clientv3.TxnResponse) error {
	found := r.Responses[0].GetResponseRange().Kvs
	if len(found) == 0 {
		return dbfile.ErrBehind
	}
	there, err := entryOf(e.seq, found[0].Value)
	if err != nil || there.ID != e.ID {
		return errors.Join(dbfile.ErrBehind, err)
	}
	if heads := r.Responses[1].GetResponseRange().Kvs; len(heads) > 0 {
		if h, err := headOf(heads[0].Value); err == nil {
			l.sawHead(h, heads[0].ModRevision)
		}
	}
	return nil
}

func (h head) value() string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // every value of the type has a JSON form
	}
	return string(b)
}

func headOf(value []byte) (h head, err error) {
	if err := json.Unmarshal(bytes.TrimSpace(value), &h); err != nil || h.Cluster == "" {
		return h, fmt.Errorf("%s in etcd can't be read: %w", headKey, err)
	}
	return h, nil
}
