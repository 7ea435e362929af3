package events

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"time"

	"plugtone/dhcp/poolusage"
	"plugtone/store/dbfile"
)

const tableUsage = "usage" // hours since 1970

// Usage is how full the subnets were, in the file of a DB.
type Usage struct{ db *DB }

// UsageOf returns the usage in db.
func UsageOf(db *DB) Usage { return Usage{db} }

func usageKey(hour time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(hour.Unix()/3600))
}

// SaveUsage stores how many leases each subnet had in an hour, and removes what is older than poolusage.Keep. Without a file it does nothing.
func (u Usage) SaveUsage(s poolusage.Sample) error {
	if u.db.file == nil {
		return nil
	}
	v, err := json.Marshal(s)
	if err != nil {
		return err
	}
	u.db.writeMu.Lock()
	defer u.db.writeMu.Unlock()
	return u.db.file.Update(func(tx dbfile.Tx) error {
		t := tx.Table(tableUsage)
		oldest := usageKey(s.Hour.Add(-poolusage.Keep))
		c := t.Cursor()
		var old [][]byte
		for k, _ := c.First(); k != nil && bytes.Compare(k, oldest) < 0; k, _ = c.Next() {
			old = append(old, bytes.Clone(k))
		}
		for _, k := range old {
			if err := t.Delete(k); err != nil {
				return err
			}
		}
		return t.Put(usageKey(s.Hour), v)
	})
}

// LoadUsage calls each for every stored sample, the oldest first. Damaged ones are left out.
func (u Usage) LoadUsage(each func(poolusage.Sample)) error {
	return u.db.view(func(tx dbfile.Tx) error {
		t := tx.Table(tableUsage)
		return t.ForEach(func(k, v []byte) error {
			b, err := t.Payload(k, v)
			if err != nil {
				return nil // damaged
			}
			var s poolusage.Sample
			if json.Unmarshal(b, &s) == nil {
				each(s)
			}
			return nil
		})
	})
}
