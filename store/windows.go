package store

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"plugtone/provision/trust"
)

// LoadWindows returns the windows of enrollment as SaveWindows has written them last.
func (s *Store) LoadWindows() (all []trust.EnrollmentWindow, err error) {
	err = s.fleetDB.view(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketMeta).Get(keyWindows)
		if v == nil {
			return nil
		}
		if err := decode(v, &all); err != nil {
			return broken("windows", "of enrollment", err)
		}
		return nil
	})
	return all, err
}

// SaveWindows writes the windows of enrollment in the place of those before. They are no part of the fleet: its revision
// stays.
func (s *Store) SaveWindows(all []trust.EnrollmentWindow) error {
	v, err := encode(&all)
	if err != nil {
		return fmt.Errorf("windows of enrollment: %w", err)
	}
	return s.fleetDB.update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyWindows, v) })
}
