// Package dbfile is one bbolt file of the store: it opens it, checks it, migrates it and runs transactions in it. Every
// value carries a CRC-32C over its table, its key and itself. A page that cannot be read is an error, not the end of the
// process.
//
// It does not interpret the records: the packages records, leases and events do.
package dbfile
