package dbfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"plugtone/provision/fleet"
)

// otherPlace is a Replica that is behind as often as it says.
type otherPlace struct {
	behind  int
	caught  int
	ended   int
	changes []Mutation
}

func (r *otherPlace) Offer(tx Tx, changes []Mutation) error {
	if r.behind > 0 {
		r.behind--
		return fmt.Errorf("offer: %w", ErrBehind)
	}
	r.changes = append(r.changes, changes...)
	return tx.SetMeta("position", []byte("1"))
}

func (r *otherPlace) CatchUp(int) (func(), error) { r.caught++; return func() { r.ended++ }, nil }

// A change that always comes after others ends with an error that says so.
func TestAChangeThatAlwaysComesLateIsRefusedPlainly(t *testing.T) {
	f := newFixture(t).open()
	r := &otherPlace{behind: 1000}
	Replicate(f.File, r, func(table string, key []byte) bool { return table == "a" })
	err := f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("k"), []byte("v")) })
	if !errors.Is(err, ErrBehind) || !errors.Is(err, fleet.ErrInternal) || !strings.Contains(err.Error(), "changed by others all the time") || r.caught != offers-1 {
		t.Errorf("after %d tries: %v", r.caught+1, err)
	}
}

func TestReplicaGetsChangesOfWhatIsCommitted(t *testing.T) {
	f := newFixture(t).open()
	r := &otherPlace{behind: 2}
	Replicate(f.File, r, func(table string, key []byte) bool { return table == "a" })
	runs := 0
	err := f.Update(func(tx Tx) error {
		runs++
		return errors.Join(tx.Table("a").Put([]byte("k"), []byte("v")), tx.Table("a").Delete([]byte("gone")), tx.SetMeta("local", []byte("x")))
	})
	if err != nil || runs != 3 || r.caught != 2 || r.ended != 2 {
		t.Errorf("ran %d times, caught up %d times: %v", runs, r.caught, err)
	}
	if got := fmt.Sprint(r.changes); got != fmt.Sprint([]Mutation{{"a", []byte("k"), []byte("v"), false}, {"a", []byte("gone"), nil, true}}) {
		t.Errorf("changes %s", got)
	}
	if err := f.Update(func(tx Tx) error { return tx.SetMeta("local", []byte("y")) }); err != nil || len(r.changes) != 2 {
		t.Errorf("a change of this file alone was offered: %v, %v", r.changes, err)
	}
	failed := errors.New("failed")
	err = f.Update(func(tx Tx) error {
		return errors.Join(tx.Table("a").Put([]byte("k"), []byte("w")), failed)
	})
	if !errors.Is(err, failed) || len(r.changes) != 2 {
		t.Errorf("an undone change was offered: %v, %v", r.changes, err)
	}
	r.behind = 1000
	if err := f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("k"), []byte("w")) }); !errors.Is(err, ErrBehind) {
		t.Errorf("a write that is always behind: %v", err)
	}
	if err := f.View(func(tx Tx) error {
		v, err := tx.Table("a").Get([]byte("k"))
		if string(v) != "v" || string(tx.Meta("position")) != "1" || string(tx.Meta("local")) != "y" {
			t.Errorf("the file has %q, position %q", v, tx.Meta("position"))
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestReplacedRecordsLeaveTheOthers(t *testing.T) {
	f := newFixture(t).open()
	must(t, f.Update(func(tx Tx) error {
		return errors.Join(tx.Table("a").Put([]byte("old"), []byte("v")), tx.Table("b").Put([]byte("own"), []byte("v")), tx.SetMeta("own", []byte("x")))
	}))
	which := func(table string, key []byte) bool { return table == "a" }
	failed := errors.New("failed")
	if err := ReplaceRecords(f.File, which, func(put func(Mutation) error) error {
		return errors.Join(put(Mutation{Table: "a", Key: []byte("half"), Payload: []byte("v")}), failed)
	}); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	list := func() (got []string) {
		must(t, f.View(func(tx Tx) error {
			_, err := tx.Each(func(table string, key []byte) bool { return table != MetaTable || string(key) == "own" }, func(m Mutation) error {
				got = append(got, m.Table+"/"+string(m.Key))
				return nil
			})
			return err
		}))
		return got
	}
	if got := fmt.Sprint(list()); got != "[a/old b/own meta/own]" {
		t.Errorf("after a replacement that failed: %s", got)
	}
	must(t, ReplaceRecords(f.File, which, func(put func(Mutation) error) error {
		return put(Mutation{Table: "a", Key: []byte("new"), Payload: []byte("v")})
	}))
	if got := fmt.Sprint(list()); got != "[a/new b/own meta/own]" {
		t.Errorf("after the replacement: %s", got)
	}
	if err := f.Update(func(tx Tx) error { return tx.Apply(Mutation{Table: "three"}) }); !errors.Is(err, ErrDamaged) {
		t.Errorf("a change of an unknown table: %v", err)
	}
}

// Records that the others lack don't come back from them: the damage of those is no reason to load all records again.
func TestOnlyDamageOfReplicatedRecordsCounts(t *testing.T) {
	f := newFixture(t).open()
	damage := func(table, key string) {
		t.Helper()
		must(t, f.Update(func(tx Tx) error { return tx.Bucket([]byte(table)).Put([]byte(key), []byte("\x02damaged value")) }))
		must(t, f.View(func(tx Tx) error {
			if _, err := tx.Table(table).Get([]byte(key)); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s/%s: %v", table, key, err)
			}
			return nil
		}))
	}
	damage("a", "before there was a replica")
	if Damaged(f.File) {
		t.Error("damage counts without a replica")
	}
	Replicate(f.File, &otherPlace{}, func(table string, key []byte) bool {
		return table == "a" || table == MetaTable && string(key) == "shared"
	})
	damage("b", "own")
	damage(MetaTable, "own")
	if Damaged(f.File) {
		t.Error("damage of records counts that the others lack")
	}
	for _, c := range [][2]string{{"a", "key"}, {MetaTable, "shared"}, {"a", "before there was a replica"}} {
		if damage(c[0], c[1]); !Damaged(f.File) {
			t.Errorf("damage of %s/%s does not count", c[0], c[1])
		}
		must(t, ReplaceRecords(f.File, f.replication.which, func(func(Mutation) error) error { return nil }))
		if Damaged(f.File) {
			t.Errorf("damage of %s/%s counts after the records were loaded", c[0], c[1])
		}
	}
}
