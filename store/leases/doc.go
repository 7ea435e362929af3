// Package leases keeps DHCP leases durable: in leases.db, with a write-ahead log before it. A bbolt transaction writes
// whole pages, twice, and waits for the disk each time; before each ACK that was most of the work of an exchange. One write
// into the log is as durable, and leases.db takes thousands of changes at once.
//
// It decides nothing about leases: that is the subject of package dhcp.
package leases
