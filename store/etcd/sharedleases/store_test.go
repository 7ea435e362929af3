package sharedleases_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"plugtone/store/etcd/etcdtest"
	"plugtone/store/etcd/sharedleases"
	"plugtone/store/etcd/simulated"
)

// TestEtcdAndTheSimulatedStoreBehaveAlike holds for etcd and for the simulated store what shared leases rely on.
func TestEtcdAndTheSimulatedStoreBehaveAlike(t *testing.T) {
	t.Parallel()
	stores := map[string]func(*testing.T) (store sharedleases.Store, compact func(int64)){
		"simulated": func(*testing.T) (sharedleases.Store, func(int64)) {
			s := simulated.New()
			return s, func(int64) { s.Compact() }
		},
		"etcd": func(t *testing.T) (sharedleases.Store, func(int64)) {
			c := etcdtest.Start(t, 1)
			return sharedleases.Etcd(c.Client(t)), func(at int64) { c.Ctl("compact", strconv.FormatInt(at, 10)) }
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			s, compact := open(t)
			f := &contract{T: t, store: s}
			t.Run("transactions compare revisions", f.transactions)
			t.Run("what another has written is read", f.readsInstead)
			t.Run("a deleted record has no revision", f.deletion)
			t.Run("a watch has all changes in order", f.watch)
			t.Run("a compacted watch ends", func(t *testing.T) { f.compacted(t, compact) })
		})
	}
}

type contract struct {
	*testing.T
	store sharedleases.Store
}

func (c *contract) txn(t *testing.T, x sharedleases.Txn) sharedleases.TxnResult {
	t.Helper()
	r, err := c.store.Txn(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func put(key, value string) []sharedleases.Write {
	return []sharedleases.Write{{Key: key, Value: []byte(value)}}
}

func (c *contract) transactions(t *testing.T) {
	absent := []sharedleases.Condition{{Key: "a/1"}}
	first := c.txn(t, sharedleases.Txn{If: absent, Then: append(put("a/1", "x"), put("a/2", "y")...)})
	if !first.Done {
		t.Fatal("refused")
	}
	if c.txn(t, sharedleases.Txn{If: absent, Then: put("a/1", "z")}).Done {
		t.Error("written over a record that was to be absent")
	}
	records, revision, err := c.store.List(t.Context(), "a/")
	if err != nil || len(records) != 2 || revision != first.Revision || records[0].Revision != first.Revision || string(records[1].Value) != "y" {
		t.Fatalf("%+v at %d, %v", records, revision, err)
	}
	second := c.txn(t, sharedleases.Txn{If: []sharedleases.Condition{{"a/1", first.Revision}, {"a/2", first.Revision}}, Then: put("a/1", "z")})
	if !second.Done || second.Revision <= first.Revision {
		t.Errorf("%+v", second)
	}
	if r := c.txn(t, sharedleases.Txn{If: []sharedleases.Condition{{"a/2", first.Revision}}}); !r.Done || r.Revision != second.Revision {
		t.Errorf("a transaction that only compares: %+v", r)
	}
}

func (c *contract) readsInstead(t *testing.T) {
	first := c.txn(t, sharedleases.Txn{Then: put("b/1", "x")})
	r := c.txn(t, sharedleases.Txn{If: []sharedleases.Condition{{Key: "b/1"}}, Then: put("b/1", "y"), Else: []string{"b/1", "b/2"}})
	if r.Done || len(r.Read) != 1 || string(r.Read[0].Value) != "x" || r.Read[0].Revision != first.Revision || r.Revision != first.Revision {
		t.Errorf("%+v", r)
	}
}

func (c *contract) deletion(t *testing.T) {
	c.txn(t, sharedleases.Txn{Then: put("c/1", "x")})
	c.txn(t, sharedleases.Txn{Then: []sharedleases.Write{{Key: "c/1", Delete: true}}})
	if !c.txn(t, sharedleases.Txn{If: []sharedleases.Condition{{Key: "c/1"}}}).Done {
		t.Error("a deleted record has a revision")
	}
}

func (c *contract) watch(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	first := c.txn(t, sharedleases.Txn{Then: put("d/1", "1")})
	c.txn(t, sharedleases.Txn{Then: put("e/1", "not watched")})
	c.txn(t, sharedleases.Txn{Then: put("d/2", "2")})
	var got []string
	last := int64(0)
	err := c.store.Watch(ctx, "d/", first.Revision, func(records []sharedleases.Record) {
		for _, r := range records {
			got = append(got, r.Key+string(r.Value))
			if r.Revision < last {
				t.Errorf("revision %d after %d", r.Revision, last)
			}
			last = r.Revision
			switch {
			case r.Key == "d/2":
				go func() {
					_, _ = c.store.Txn(ctx, sharedleases.Txn{Then: []sharedleases.Write{{Key: "d/1", Delete: true}}})
				}()
			case r.Deleted:
				cancel()
			}
		}
	})
	if !errors.Is(err, context.Canceled) || !slices.Equal(got, []string{"d/11", "d/22", "d/1"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func (c *contract) compacted(t *testing.T, compact func(int64)) {
	first := c.txn(t, sharedleases.Txn{Then: put("f/1", "1")})
	last := c.txn(t, sharedleases.Txn{Then: put("f/1", "2")})
	compact(last.Revision)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := c.store.Watch(ctx, "f/", first.Revision, func(r []sharedleases.Record) { t.Errorf("%+v", r) })
	if err == nil || ctx.Err() != nil {
		t.Errorf("the watch goes on: %v", err)
	}
}
