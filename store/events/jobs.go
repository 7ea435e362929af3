package events

import (
	"bytes"
	"encoding/binary"
	"sync"

	"plugtone/store/dbfile"
)

const tableJobs = "jobs" // number of the job, number of the part

// jobs are kept in memory while there is no file.
type jobs struct {
	mu    sync.Mutex
	parts map[string][]byte
}

func jobKey(id uint64, part int) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, id), uint32(part))
}

// SaveJob stores one part of a resync job durably. Without a file it is kept in memory.
func (db *DB) SaveJob(id uint64, part int, data []byte) error {
	if db.file == nil {
		db.jobs.mu.Lock()
		defer db.jobs.mu.Unlock()
		db.jobs.parts[string(jobKey(id, part))] = bytes.Clone(data)
		return nil
	}
	db.writeMu.Lock()
	defer db.writeMu.Unlock()
	return db.file.Update(func(tx dbfile.Tx) error { return tx.Table(tableJobs).Put(jobKey(id, part), data) })
}

// LoadJobs calls part for each stored part, those of one job one after the other. Damaged parts are left out.
func (db *DB) LoadJobs(part func(id uint64, part int, data []byte) error) error {
	return db.view(func(tx dbfile.Tx) error {
		t := tx.Table(tableJobs)
		c := t.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			data, err := t.Payload(k, v)
			if err != nil || len(k) != 12 {
				continue
			}
			if err := part(binary.BigEndian.Uint64(k), int(binary.BigEndian.Uint32(k[8:])), bytes.Clone(data)); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteJob removes all parts of a job.
func (db *DB) DeleteJob(id uint64) error {
	prefix := binary.BigEndian.AppendUint64(nil, id)
	if db.file == nil {
		db.jobs.mu.Lock()
		defer db.jobs.mu.Unlock()
		for k := range db.jobs.parts {
			if bytes.HasPrefix([]byte(k), prefix) {
				delete(db.jobs.parts, k)
			}
		}
		return nil
	}
	db.writeMu.Lock()
	defer db.writeMu.Unlock()
	return db.file.Update(func(tx dbfile.Tx) error {
		t := tx.Table(tableJobs)
		c := t.Cursor()
		var keys [][]byte
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		for _, k := range keys {
			if err := t.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}
