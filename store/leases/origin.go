package leases

import (
	"encoding/json"
	"fmt"

	"plugtone/store/dbfile"
)

// keyOrigin holds where the leases of shared subnets are from.
const keyOrigin = "shared_origin"

// Origin is where the leases of subnets that several members serve are from: of which store they are a copy. Zero: of none.
type Origin struct {
	ID       string `json:"id"`       // of the store
	Revision int64  `json:"revision"` // that the store had, or a later one
}

// LeaseOrigin returns where the leases of shared subnets are from.
func (db *DB) LeaseOrigin() (o Origin, err error) {
	err = db.file.View(func(tx dbfile.Tx) error {
		if v := tx.Meta(keyOrigin); v != nil {
			if err := json.Unmarshal(v, &o); err != nil {
				return fmt.Errorf("%s: origin of the shared leases: %w", db.file.Path(), err)
			}
		}
		return nil
	})
	return o, err
}

// SetLeaseOrigin stores where the leases of shared subnets are from.
func (db *DB) SetLeaseOrigin(o Origin) error {
	v, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return db.file.Update(func(tx dbfile.Tx) error { return tx.SetMeta(keyOrigin, v) })
}
