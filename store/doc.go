// Package store opens plugtone's data directory: plugtone.db with what operators enter, leases.db with the leases and the
// log before it, events.db with what happened to phones. The files fail apart: a damaged one is set aside and reported, and
// the others are used. It makes backups, restores and snapshots, and reports damage and health. Its sub-packages keep one
// file each.
//
// It checks no rules of provisioning and decides nothing about leases: what is put into it has been validated. Nothing of
// bbolt shows outside.
package store
