package records

import (
	"fmt"

	"plugtone/provision/trust"
	"plugtone/store/dbfile"
)

// LoadWindows returns the windows of enrollment as UpdateWindows has written them last.
func (db *DB) LoadWindows() (all []trust.EnrollmentWindow, err error) {
	err = db.file.View(func(tx dbfile.Tx) (err error) { all, err = windowsIn(tx); return err })
	return all, err
}

func windowsIn(tx dbfile.Tx) (all []trust.EnrollmentWindow, err error) {
	if v := tx.Meta(keyWindows); v != nil {
		if err := dbfile.Decode(v, &all); err != nil {
			return nil, broken("windows", "of enrollment", err)
		}
	}
	return all, nil
}

// UpdateWindows writes the windows of enrollment that change makes of those before, and returns them. They are no part of the fleet: its
// revision stays.
func (db *DB) UpdateWindows(change func([]trust.EnrollmentWindow) ([]trust.EnrollmentWindow, error)) (all []trust.EnrollmentWindow, err error) {
	err = db.file.Update(func(tx dbfile.Tx) error {
		before, err := windowsIn(tx)
		if err != nil {
			return err
		}
		if all, err = change(before); err != nil {
			return err
		}
		v, err := dbfile.EncodeExact(&all)
		if err != nil {
			return fmt.Errorf("windows of enrollment: %w", err)
		}
		return tx.SetMeta(keyWindows, v)
	})
	return all, err
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
