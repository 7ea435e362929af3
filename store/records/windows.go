package records

import (
	"fmt"

	"plugtone/provision/trust"
	"plugtone/store/dbfile"
)

// LoadWindows returns the windows of enrollment as SaveWindows has written them last.
func (db *DB) LoadWindows() (all []trust.EnrollmentWindow, err error) {
	err = db.file.View(func(tx dbfile.Tx) error {
		v := tx.Meta(keyWindows)
		if v == nil {
			return nil
		}
		if err := dbfile.Decode(v, &all); err != nil {
			return broken("windows", "of enrollment", err)
		}
		return nil
	})
	return all, err
}

// SaveWindows writes the windows of enrollment in the place of those before. They are no part of the fleet: its revision
// stays.
func (db *DB) SaveWindows(all []trust.EnrollmentWindow) error {
	v, err := dbfile.EncodeExact(&all)
	if err != nil {
		return fmt.Errorf("windows of enrollment: %w", err)
	}
	return db.file.Update(func(tx dbfile.Tx) error { return tx.SetMeta(keyWindows, v) })
}

// LoadResets returns the budgets of resets as SaveResets has written them last.
func (db *DB) LoadResets() (state trust.ResetState, err error) {
	err = db.file.View(func(tx dbfile.Tx) error {
		if v := tx.Meta(keyResets); v != nil {
			if err := dbfile.Decode(v, &state); err != nil {
				return broken("budgets", "of resets", err)
			}
		}
		return nil
	})
	return state, err
}

// SaveResets writes the budgets of resets in the place of those before. They are no part of the fleet: its revision stays.
func (db *DB) SaveResets(state trust.ResetState) error {
	v, err := dbfile.EncodeExact(&state)
	if err != nil {
		return fmt.Errorf("budgets of resets: %w", err)
	}
	return db.file.Update(func(tx dbfile.Tx) error { return tx.SetMeta(keyResets, v) })
}
