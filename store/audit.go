package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

const (
	auditKept     = 100_000 // entries
	auditRecords  = 100     // named in one entry
	revisionsKept = 50      // of each device
)

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// appendAudit numbers an entry, writes it and lets the oldest go.
func appendAudit(tx *bolt.Tx, e fleet.AuditEntry) error {
	b := tx.Bucket(bucketAudit)
	c := b.Cursor()
	last, _ := c.Last()
	e.ID = 1
	if len(last) == 8 {
		e.ID = binary.BigEndian.Uint64(last) + 1
	}
	if n := len(e.Records); n > auditRecords {
		e.Records, e.More = e.Records[:auditRecords], e.More+n-auditRecords
	}
	// The actor may be what a client said of itself: what JSON can't carry is mended, not refused.
	v, err := encodeOnce(&e)
	if err != nil {
		return fmt.Errorf("audit entry: %w", err)
	}
	if err := b.Put(number(e.ID), v); err != nil {
		return err
	}
	for k, _ := c.First(); len(k) == 8 && binary.BigEndian.Uint64(k)+auditKept <= e.ID; k, _ = c.First() {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// RecordAudit adds an entry for what is no Edit: a reveal of secrets, a backup. Its ID is set here, its time when zero.
func (s *Store) RecordAudit(e fleet.AuditEntry) error {
	if e.Time.IsZero() {
		e.Time = s.time()
	}
	return s.fleetDB.update(func(tx *bolt.Tx) error { return appendAudit(tx, e) })
}

// Audit returns at most limit entries with an ID greater than after, oldest first.
func (s *Store) Audit(after uint64, limit int) ([]fleet.AuditEntry, error) {
	var entries []fleet.AuditEntry
	err := s.fleetDB.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketAudit).Cursor()
		for k, v := c.Seek(number(after + 1)); k != nil && len(entries) < limit; k, v = c.Next() {
			var e fleet.AuditEntry
			if err := decode(v, &e); err != nil {
				return broken("audit entry", fmt.Sprintf("%x", k), err)
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

// remember adds d to its history and lets the oldest revisions go.
func (e *edit) remember(d *fleet.Device, deleted bool) error {
	kept, err := keepSettings(d.Settings)
	if err != nil {
		return err
	}
	r := historyRecord{
		DeviceRevision: fleet.DeviceRevision{Revision: e.revision, Time: e.now, Actor: e.actor, Action: e.action, Deleted: deleted},
		Device:         &deviceRecord{Device: *d, Settings: kept},
	}
	v, err := encodeOnce(&r)
	if err != nil {
		return err
	}
	b := e.tx.Bucket(bucketHistory)
	if err := b.Put(append(bytes.Clone(d.MAC[:]), number(e.revision)...), v); err != nil {
		return err
	}
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(d.MAC[:]); bytes.HasPrefix(k, d.MAC[:]); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for len(keys) > revisionsKept {
		if err := b.Delete(keys[0]); err != nil {
			return err
		}
		keys = keys[1:]
	}
	return nil
}

// History returns the last 50 revisions of a device, newest first; those of a deleted device too.
func (s *Store) History(mac dhcp.MAC) ([]fleet.DeviceRevision, error) {
	var found []fleet.DeviceRevision
	err := s.fleetDB.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketHistory).Cursor()
		for k, v := c.Seek(mac[:]); bytes.HasPrefix(k, mac[:]); k, v = c.Next() {
			var r historyRecord
			err := decode(v, &r)
			if err == nil && r.Device == nil {
				err = damagedf("no device in it")
			}
			if err != nil {
				return broken("history of device", mac.String(), err)
			}
			r.DeviceRevision.Device = r.Device.device()
			found = append([]fleet.DeviceRevision{r.DeviceRevision}, found...)
		}
		return nil
	})
	return found, err
}

// Tokens returns all tokens in order of name.
func (s *Store) Tokens() ([]fleet.Token, error) {
	var tokens []fleet.Token
	err := s.fleetDB.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketTokens).ForEach(func(k, v []byte) error {
			var r tokenRecord
			if err := decode(v, &r); err != nil {
				return broken("token", string(k), err)
			}
			r.Token.Hash = r.Hash
			tokens = append(tokens, r.Token)
			return nil
		})
	})
	return tokens, err
}

// TokenByHash finds the token with this SHA-256 in hex. There are few, so all are looked at.
func (s *Store) TokenByHash(hash string) (fleet.Token, error) {
	tokens, err := s.Tokens()
	if err != nil {
		return fleet.Token{}, err
	}
	for _, t := range tokens {
		if hash != "" && t.Hash == hash {
			return t, nil
		}
	}
	return fleet.Token{}, fmt.Errorf("token: %w", fleet.ErrNotFound)
}

// PutToken keeps a token under its name, with an audit entry in the name of actor.
func (s *Store) PutToken(actor string, t fleet.Token) error {
	if err := errors.Join(checkKey("name", t.Name), checkKey("hash", t.Hash)); err != nil {
		return err
	}
	v, err := encode(&tokenRecord{Token: t, Hash: t.Hash})
	if err != nil {
		return fleet.ValidationError{{Field: "token", Value: t.Name, Message: err.Error()}}
	}
	return s.fleetDB.update(func(tx *bolt.Tx) error {
		b, change := tx.Bucket(bucketTokens), "created"
		if b.Get([]byte(t.Name)) != nil {
			change = "changed"
		}
		if err := b.Put([]byte(t.Name), v); err != nil {
			return err
		}
		return appendAudit(tx, s.tokenEntry(actor, t.Name, change))
	})
}

// DeleteToken removes a token, with an audit entry in the name of actor.
func (s *Store) DeleteToken(actor, name string) error {
	return s.fleetDB.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketTokens)
		if b.Get([]byte(name)) == nil {
			return notFound("token", name)
		}
		if err := b.Delete([]byte(name)); err != nil {
			return err
		}
		return appendAudit(tx, s.tokenEntry(actor, name, "deleted"))
	})
}

func (s *Store) tokenEntry(actor, name, change string) fleet.AuditEntry {
	return fleet.AuditEntry{Time: s.time(), Actor: actor, Action: "token " + change,
		Records: []fleet.AuditRecord{{Kind: "token", Name: name, Change: change}}}
}
