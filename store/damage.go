package store

import (
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"plugtone/store/dbfile"
	"plugtone/store/leases"
	"plugtone/store/records"
	"plugtone/store/wal"
)

// Kind is a kind of damage.
type Kind string

// The kinds of damage.
const (
	Missing        Kind = "missing"         // a file that must exist is missing or empty; it was made again
	DamagedPages   Kind = "damaged_pages"   // a file's structure is damaged; it was set aside
	DamagedRecords Kind = "damaged_records" // records do not match their checksums; they were set aside
	DamagedLog     Kind = "damaged_log"     // the lease log is damaged, cut short, missing or another directory's
	Changed        Kind = "changed"         // a file is not as plugtone left it when it stopped
	Foreign        Kind = "foreign"         // a file has the identity of another data directory
	Unreadable     Kind = "unreadable"      // a file can't be used; plugtone runs without it
	NoKey          Kind = "no_key"          // the key of the encrypted records is missing
	Restored       Kind = "restored"        // the files are those of a backup
)

// Damage describes data that was or may have been lost.
type Damage struct {
	Time time.Time `json:"time"` // when it was found, by a clock that may have been wrong
	File string    `json:"file"`
	Kind Kind      `json:"kind"`
	Text string    `json:"text"`
	// Leases reports that leases may be missing: until Age is one lease time, an address that looks free may be in use.
	Leases bool `json:"leases"`
	// Age is for how long plugtone has run since it was found. It is stored hourly and at the end: a killed plugtone counts up to an
	// hour again.
	Age time.Duration `json:"-"`
}

// storedDamage is Damage in leases.db. Age is nil in records from before it was stored.
type storedDamage struct {
	Damage
	Age *time.Duration `json:"age,omitempty"`
}

const (
	keyIdentity = "identity"          // of the data directory
	keyDamage   = "damage"            // of leases, that earlier starts have found
	damageKept  = 60 * 24 * time.Hour // of running
	damageMax   = 50                  // newest records that are kept
)

// found records, counts and logs damage.
func (s *Store) found(d Damage) {
	d.Time = s.cfg.Now().UTC().Truncate(time.Second)
	if d.File == leases.FileName {
		d.Leases = true
	}
	s.damage = append(s.damage, d)
	s.notices = append(s.notices, d.Text)
	s.metrics.damage.WithLabelValues(d.File).Inc()
	s.cfg.Log.Error("damage in the data directory", "file", d.File, "kind", string(d.Kind), "text", d.Text)
}

// Damage returns what this start found, and what earlier starts within 60 days of running found that concerns leases.
func (s *Store) Damage() []Damage {
	now, up := slices.Clone(s.damage), s.cfg.Now().Sub(s.started)
	for i := range now {
		now[i].Age += up
	}
	return now
}

// Notices returns the texts of what this start found wrong and repaired.
func (s *Store) Notices() []string { return slices.Clone(s.notices) }

// identify compares the identities of the files. A new file among older ones means that the old one was lost.
func (o *opening) identify() error {
	identities := map[string]string{}
	votes := map[string]int{}
	best := ""
	old := false // a data directory from before there were identities
	for _, name := range fileNames() {
		f := o.files[name]
		if f == nil {
			continue
		}
		id := ""
		if err := f.View(func(tx dbfile.Tx) error { id = string(tx.Meta(keyIdentity)); return nil }); err != nil {
			return err
		}
		if len(id) == len(o.identity) {
			identities[name] = id
			if votes[id]++; votes[id] > votes[best] {
				best = id
			}
		}
		from := o.opened[name].From
		old = old || from > 0 && from < o.opened[name].Version
	}
	for _, name := range fileNames() {
		switch id := identities[name]; {
		case o.files[name] == nil || o.has(name, DamagedPages):
		case o.opened[name].From == 0 && (best != "" || old):
			o.missing(name)
		case id != "" && id != best:
			o.found(Damage{File: name, Kind: Foreign, Text: o.path(name) + " belongs to another data directory: it was put there while plugtone did not run"})
		}
	}
	// Since schema 2 of leases.db there is a log.
	o.logExpected = best != "" || o.opened[leases.FileName].From == 2
	if copy(o.identity[:], best) > 0 {
		return nil
	}
	unused, ok := wal.Unused(o.path(leases.LogName))
	if o.identity = unused; !ok { // else the first start ended when it had made the log
		rand.Read(o.identity[:]) // never fails
	}
	return nil
}

// missing records that a file was lost.
func (o *opening) missing(name string) {
	text := o.path(name) + " was missing or empty, and was made again"
	switch name {
	case records.FileName:
		if len(o.snapshots()) > 0 {
			text += ": what operators entered is gone, though there are snapshots of it in " + o.backups()
		} else {
			text += ": what operators entered is gone; restore a backup"
		}
	case leases.FileName:
		text += ": only the leases in its log are known; other phones keep their addresses and are learned again as they renew"
	}
	o.found(Damage{File: name, Kind: Missing, Text: text})
}

// seal writes the identity into each file, when all exist, and what was found into leases.db, so that the next start can compare
// it too.
func (o *opening) seal() error {
	var errs []error
	for _, name := range slices.Backward(fileNames()) { // plugtone.db last
		f := o.files[name]
		if f == nil {
			continue
		}
		var have []byte
		err := f.View(func(tx dbfile.Tx) error { have = slices.Clone(tx.Meta(keyIdentity)); return nil })
		if err == nil && !slices.Equal(have, o.identity[:]) {
			err = f.Update(func(tx dbfile.Tx) error { return tx.SetMeta(keyIdentity, o.identity[:]) })
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, o.keepDamage())...)
}

// keepDamage reads the damage of leases that earlier starts found, and adds what this one did.
func (o *opening) keepDamage() error {
	var stored []storedDamage
	err := o.files[leases.FileName].View(func(tx dbfile.Tx) error {
		if b := tx.Meta(keyDamage); b != nil {
			return dbfile.Decode(b, &stored)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var earlier []Damage
	for _, d := range stored {
		if d.Damage.Age = max(0, o.cfg.Now().Sub(d.Time)); d.Age != nil {
			d.Damage.Age = *d.Age
		}
		if d.Damage.Age < damageKept {
			earlier = append(earlier, d.Damage)
		}
	}
	o.damage = append(earlier, o.damage...)
	if len(stored) == 0 && len(o.leaseDamage()) == 0 {
		return nil
	}
	return o.storeDamage()
}

// leaseDamage returns the newest damage that concerns leases.
func (s *Store) leaseDamage() []Damage {
	all := slices.DeleteFunc(s.Damage(), func(d Damage) bool { return !d.Leases || d.Age >= damageKept })
	return all[max(0, len(all)-damageMax):]
}

// storeDamage stores the damage of leases with its present age.
func (s *Store) storeDamage() error {
	var stored []storedDamage
	for _, d := range s.leaseDamage() {
		stored = append(stored, storedDamage{Damage: d, Age: &d.Age})
	}
	b, err := dbfile.Encode(stored)
	if err != nil {
		return err
	}
	return s.files[leases.FileName].Update(func(tx dbfile.Tx) error { return tx.SetMeta(keyDamage, b) })
}

// ageDamage stores the age of the damage of leases, if there is any.
func (s *Store) ageDamage() error {
	if !slices.ContainsFunc(s.damage, func(d Damage) bool { return d.Leases }) {
		return nil
	}
	return s.storeDamage()
}
