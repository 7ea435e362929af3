package sharedleases

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"plugtone/store/etcd"
)

// etcdStore is the Store in etcd.
type etcdStore struct{ client *etcd.Client }

// Etcd returns the store that a connection to etcd leads to.
func Etcd(c *etcd.Client) Store { return etcdStore{c} }

// Txn implements Store.
func (s etcdStore) Txn(ctx context.Context, t Txn) (TxnResult, error) {
	conditions := make([]clientv3.Cmp, 0, len(t.If))
	for _, c := range t.If {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(c.Key), "=", c.Revision))
	}
	then := make([]clientv3.Op, 0, len(t.Then))
	for _, w := range t.Then {
		if w.Delete {
			then = append(then, clientv3.OpDelete(w.Key))
		} else {
			then = append(then, clientv3.OpPut(w.Key, string(w.Value)))
		}
	}
	otherwise := make([]clientv3.Op, 0, len(t.Else))
	for _, key := range t.Else {
		otherwise = append(otherwise, clientv3.OpGet(key))
	}
	r, err := s.client.Txn(ctx, conditions, then, otherwise)
	if err != nil {
		return TxnResult{}, err
	}
	result := TxnResult{Done: r.Succeeded, Revision: r.Header.Revision}
	for _, part := range r.Responses {
		result.Read = append(result.Read, recordsOf(part.GetResponseRange().GetKvs())...)
	}
	return result, nil
}

// A list is read in pages, each in the time of one call: a page of leases has about 100 KB.
const (
	pageRecords = 500
	pageTries   = 5
)

// List implements Store.
func (s etcdStore) List(ctx context.Context, prefix string) (records []Record, revision int64, err error) {
	end := clientv3.GetPrefixRangeEnd(prefix)
	for from := prefix; ; {
		r, err := s.page(ctx, from, end, revision)
		if err != nil {
			return nil, 0, err
		}
		if revision == 0 {
			revision = r.Header.Revision
		}
		records = append(records, recordsOf(r.Kvs)...)
		if !r.More {
			return records, revision, nil
		}
		from = records[len(records)-1].Key + "\x00"
	}
}

// page reads the first records of a range as of a revision, 0 for the newest. One that does not arrive in time is read again.
func (s etcdStore) page(ctx context.Context, from, end string, revision int64) (r *clientv3.GetResponse, err error) {
	for range pageTries {
		r, err = s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(pageRecords), clientv3.WithRev(revision))
		if !errors.Is(err, etcd.ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	return r, err
}

// Watch implements Store.
func (s etcdStore) Watch(ctx context.Context, prefix string, from int64, f func([]Record)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := s.client.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(from))
	if err != nil {
		return err
	}
	for r := range changes {
		if err := r.Err(); err != nil {
			return err
		}
		records := make([]Record, 0, len(r.Events))
		for _, e := range r.Events {
			records = append(records, Record{Key: string(e.Kv.Key), Value: e.Kv.Value, Revision: e.Kv.ModRevision, Deleted: e.Type == mvccpb.Event_DELETE})
		}
		f(records)
	}
	return ctx.Err()
}

func recordsOf(kvs []*mvccpb.KeyValue) []Record {
	out := make([]Record, 0, len(kvs))
	for _, kv := range kvs {
		out = append(out, Record{Key: string(kv.Key), Value: kv.Value, Revision: kv.ModRevision})
	}
	return out
}
