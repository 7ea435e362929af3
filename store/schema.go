package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// A migration brings a file from one schema to the next, in a transaction of its own.
type migration func(*bolt.Tx) error

// schema is what a file should look like. Its version is the number of its migrations: the first makes a new file.
type schema []migration

var (
	bucketMeta    = []byte("meta") // in every file
	keySchema     = []byte("schema")
	keyRevision   = []byte("revision") // of the fleet
	keyFlushed    = []byte("flushed")  // number of the last timeline entry written
	keyWindows    = []byte("windows")  // of enrollment, one record
	keyCheckpoint = []byte("settled")  // number of the journal's last batch that is in leases.db
)

// The buckets of plugtone.db.
var (
	bucketDevices    = []byte("devices")    // MAC
	bucketExtensions = []byte("extensions") // number NUL registrar
	bucketRegistrars = []byte("registrars") // name
	bucketProfiles   = []byte("profiles")   // name
	bucketByMAC      = []byte("by_mac")     // one of other_macs: MAC
	bucketByIP       = []byte("by_ip")      // reserved_ip: MAC
	bucketByExt      = []byte("by_ext")     // number NUL registrar NUL MAC: nothing
	bucketByProfile  = []byte("by_profile") // name NUL MAC: nothing
	bucketHistory    = []byte("history")    // MAC revision
	bucketAudit      = []byte("audit")      // number
	bucketTokens     = []byte("tokens")     // name
)

// The bucket of leases.db.
var bucketLeases = []byte("leases") // address

// The buckets of events.db.
var (
	bucketTimeline = []byte("timeline") // MAC number, numbers without gaps
	bucketFetches  = []byte("fetches")  // MAC file
	bucketSeen     = []byte("seen")     // MAC
)

func fleetSchema() schema {
	return schema{makeBuckets(bucketDevices, bucketExtensions, bucketRegistrars, bucketProfiles, bucketByMAC, bucketByIP,
		bucketByExt, bucketByProfile, bucketHistory, bucketAudit, bucketTokens)}
}

// leaseSchema: since 2 there is a journal beside the file, without which it may be minutes old.
func leaseSchema() schema {
	return schema{makeBuckets(bucketLeases), func(*bolt.Tx) error { return nil }}
}

func eventSchema() schema { return schema{makeBuckets(bucketTimeline, bucketFetches, bucketSeen)} }

func makeBuckets(names ...[]byte) migration {
	return func(tx *bolt.Tx) error {
		for _, n := range names {
			if _, err := tx.CreateBucketIfNotExists(n); err != nil {
				return fmt.Errorf("bucket %s: %w", n, err)
			}
		}
		return nil
	}
}

// schemaOf returns the version in a file, 0 in one that is new.
func schemaOf(tx *bolt.Tx) uint64 { return metaNumber(tx, keySchema) }

func metaNumber(tx *bolt.Tx, key []byte) uint64 {
	if b := tx.Bucket(bucketMeta); b != nil {
		if v := b.Get(key); len(v) == 8 {
			return binary.BigEndian.Uint64(v)
		}
	}
	return 0
}

func setMetaNumber(tx *bolt.Tx, key []byte, n uint64) error {
	b, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return err
	}
	return b.Put(key, binary.BigEndian.AppendUint64(nil, n))
}

// migrate brings f to the newest version. A file that holds data is copied to backups first; a newer file is refused.
func (f *file) migrate(want schema, backups string) error {
	var have uint64
	if err := f.view(func(tx *bolt.Tx) error { have = schemaOf(tx); return nil }); err != nil {
		return err
	}
	if err := refuseNewer(f.path, have, want); err != nil {
		return err
	}
	if have > 0 && have < uint64(len(want)) {
		to := filepath.Join(backups, fmt.Sprintf("%s.schema-%d-%s", f.name, have, stamp(f.now())))
		if err := copyDurably(to, f.copyTo); err != nil {
			return fmt.Errorf("copy before migration: %w", err)
		}
	}
	for v := have; v < uint64(len(want)); v++ {
		err := f.update(func(tx *bolt.Tx) error {
			if err := want[v](tx); err != nil {
				return err
			}
			return setMetaNumber(tx, keySchema, v+1)
		})
		if err != nil {
			return fmt.Errorf("%s: migrate from schema %d to %d: %w", f.path, v, v+1, err)
		}
	}
	return nil
}

// refuseNewer stops an older plugtone from reading what it would not understand.
func refuseNewer(path string, have uint64, want schema) error {
	if have > uint64(len(want)) {
		return fmt.Errorf("%s has schema %d, this plugtone knows up to %d\nhint: it was written by a newer plugtone; install that one, or restore a backup of this one", path, have, len(want))
	}
	return nil
}

// copyTo writes the file as of the last commit.
func (f *file) copyTo(w io.Writer) error {
	return f.view(func(tx *bolt.Tx) error { _, err := tx.WriteTo(w); return err })
}
