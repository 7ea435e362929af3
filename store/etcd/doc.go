// Package etcd is the connection to etcd that the appliances of a cluster share, and the list of its members. All keys are below a prefix.
//
//	members/NAME            what a member is, until it leaves
//	alive/NAME              exists while the member runs: it is bound to a lease of 3 seconds
//	records/head            how far the log of records goes
//	records/log/SEQ         one transaction of plugtone.db, encrypted
//	records/turn            the member that alone may write for a moment
//	records/staged/ID/N     parts of a large one
//	records/snapshot/SEQ/N  parts of a copy of all records
//	leases/PREFIX/ADDR      a lease of a subnet that several members serve
//	clock                   the time that these leases end by, and an ID of what etcd has of them
//
// It does not interpret records or leases: the packages recordlog and sharedleases do.
package etcd
