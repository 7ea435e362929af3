package records

import (
	"errors"
	"fmt"

	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
)

// Tokens returns all tokens in order of name.
func (db *DB) Tokens() ([]fleet.Token, error) {
	var tokens []fleet.Token
	err := db.file.View(func(tx dbfile.Tx) error {
		table := tx.Table(tableTokens)
		return table.ForEach(func(k, v []byte) error {
			b, err := table.Payload(k, v)
			if err != nil {
				return nil // damaged
			}
			var r tokenRecord
			if err := dbfile.Decode(b, &r); err != nil {
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
func (db *DB) TokenByHash(hash string) (fleet.Token, error) {
	tokens, err := db.Tokens()
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

// PutToken stores a token under its name, with an audit entry in the name of actor.
func (db *DB) PutToken(actor string, t fleet.Token) error {
	if err := errors.Join(checkKey("name", t.Name), checkKey("hash", t.Hash)); err != nil {
		return err
	}
	v, err := dbfile.EncodeExact(&tokenRecord{Token: t, Hash: t.Hash})
	if err != nil {
		return fleet.ValidationError{{Field: "token", Value: t.Name, Message: err.Error()}}
	}
	return db.file.Update(func(tx dbfile.Tx) error {
		b, change := tx.Table(tableTokens), "created"
		if b.Has([]byte(t.Name)) {
			change = "changed"
		}
		if err := b.Put([]byte(t.Name), v); err != nil {
			return err
		}
		return appendAudit(tx, db.tokenEntry(actor, t.Name, change))
	})
}

// DeleteToken removes a token, with an audit entry in the name of actor.
func (db *DB) DeleteToken(actor, name string) error {
	return db.file.Update(func(tx dbfile.Tx) error {
		b := tx.Table(tableTokens)
		if !b.Has([]byte(name)) {
			return notFound("token", name)
		}
		if err := b.Delete([]byte(name)); err != nil {
			return err
		}
		return appendAudit(tx, db.tokenEntry(actor, name, "deleted"))
	})
}

func (db *DB) tokenEntry(actor, name, change string) fleet.AuditEntry {
	return fleet.AuditEntry{Time: db.time(), Actor: actor, Action: "token " + change,
		Records: []fleet.AuditRecord{{Kind: "token", Name: name, Change: change}}}
}
