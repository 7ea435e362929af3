// Package recordlog makes plugtone.db of each member a copy of the same records. etcd has a log of the transactions that members have made,
// and from time to time a snapshot of all records.
//
// A member offers the changes of a transaction to etcd before it commits it: they become the next entry of the log if no other member has
// added one since the last that this copy has. Otherwise the transaction is undone, the copy catches up, and the transaction runs again.
// Members apply the entries of others in the order of the log. Each copy stores how far it has come with the records, so that it goes on
// from there after a restart; each entry names the one before it, so that a copy with other entries is noticed.
//
// Entries and snapshots are encrypted with the key of the cluster.
package recordlog
