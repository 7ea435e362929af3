package recordlog

import (
	"encoding/json"
	"errors"
	"fmt"

	"plugtone/store/dbfile"
	"plugtone/store/records"
)

// keyPosition holds how far a copy has come.
const keyPosition = "cluster"

// position is how far a copy has come.
type position struct {
	Cluster string `json:"cluster"` // "": it is no copy
	Seq     uint64 `json:"seq"`     // of the last entry that it has
	ID      string `json:"id"`      // of that entry
}

func (p position) value() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // every value of the type has a JSON form
	}
	return b
}

// positionIn reads the position of a copy.
func positionIn(tx dbfile.Tx) (p position, err error) {
	if v := tx.Meta(keyPosition); v != nil {
		err = json.Unmarshal(v, &p)
	}
	return p, err
}

func (l *Log) position() (p position, err error) {
	err = l.Records.File().View(func(tx dbfile.Tx) error { p, err = positionIn(tx); return err })
	return p, err
}

// isPosition and records.Replicated choose what a snapshot replaces.
func isPosition(table string, key []byte) bool {
	return table == dbfile.MetaTable && string(key) == keyPosition
}

// Errors of a copy that can't follow. Each says what the operator is to do.
var (
	ErrNoRecords = errors.New("etcd has no records of a cluster: run \"plugtone cluster import\" on the appliance whose records are to be the cluster's, with --restore if etcd has lost its data")
	ErrForeign   = errors.New("the records of this appliance are its own, not a copy of the cluster's: run \"plugtone cluster join --discard-local\" to replace them, or \"plugtone cluster import\" to make them the cluster's")
	ErrOther     = errors.New("the records of this appliance are a copy of another cluster's: run \"plugtone cluster join --discard-local\" to replace them")
	ErrDiverged  = errors.New("this appliance has changes that etcd does not have, as after etcd's data was lost or restored from an older backup: " +
		"run \"plugtone cluster join --discard-local\" to give them up, or see the chapter about lost data in docs/cluster.md to make them the cluster's")
	ErrNewer = errors.New("the records were changed by a newer plugtone: update this appliance")
)

// CheckCopy returns ErrForeign if the records were never a copy of a cluster's and there are some.
func CheckCopy(db *records.DB) error {
	p, err := (&Log{Config: Config{Records: records.Copy{DB: db}}}).position()
	if err == nil && p.Cluster == "" && db.Revision() > 0 {
		return ErrForeign
	}
	return err
}

// relation compares a copy with the head of the log. behind reports that it lacks entries.
func (p position) relation(h head, revision uint64) (behind bool, err error) {
	switch {
	case p.Cluster == "" && revision > 0:
		return false, ErrForeign
	case p.Cluster == "":
		return true, nil
	case p.Cluster != h.Cluster:
		return false, ErrOther
	case p.Seq > h.Seq || p.Seq == h.Seq && p.ID != h.ID:
		return false, fmt.Errorf("%w (this copy has entry %d, the log ends with %d)", ErrDiverged, p.Seq, h.Seq)
	}
	return p.Seq < h.Seq, nil
}
