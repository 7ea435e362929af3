package sharedleases

import "context"

// Store is the part of etcd that shared leases need. etcd.Client has it by Etcd; package simulated has it in memory.
type Store interface {
	// Txn makes all writes if all conditions hold, else it reads. An error leaves open whether it was done.
	Txn(ctx context.Context, t Txn) (TxnResult, error)
	// List returns all records whose key begins with prefix, and the revision at which they were read.
	List(ctx context.Context, prefix string) (records []Record, revision int64, err error)
	// Watch passes the changes of keys that begin with prefix to f, from the revision on, until ctx ends or changes may be missing.
	Watch(ctx context.Context, prefix string, from int64, f func([]Record)) error
}

// Txn is one transaction.
type Txn struct {
	If   []Condition
	Then []Write
	Else []string // keys
}

// Condition holds while the record of Key has the revision; 0: while there is none.
type Condition struct {
	Key      string
	Revision int64
}

// Write sets a key, or deletes it.
type Write struct {
	Key    string
	Value  []byte
	Delete bool
}

// TxnResult is the result of a transaction.
type TxnResult struct {
	Done     bool
	Revision int64    // of the store afterwards
	Read     []Record // when not Done: of the keys in Else that exist
}

// Record is a record at the revision of its last change.
type Record struct {
	Key      string
	Value    []byte
	Revision int64
	Deleted  bool // by the change of that revision
}
