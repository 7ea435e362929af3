package events

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/dhcp/poolusage"
	"plugtone/store/dbfile"
)

func loadedUsage(t *testing.T, db *DB) (out []int) {
	t.Helper()
	must(t, UsageOf(db).LoadUsage(func(s poolusage.Sample) {
		for _, n := range s.Leased {
			out = append(out, n)
		}
	}))
	return out
}

func used(at time.Time, n int) poolusage.Sample {
	return poolusage.Sample{Hour: at, Leased: map[netip.Prefix]int{netip.MustParsePrefix("10.20.0.0/22"): n}}
}

func TestUsageSurvivesARestartForTwoWeeks(t *testing.T) {
	h := newFixture(t)
	db := h.open()
	must(t, UsageOf(db).SaveUsage(used(startOfTime, 10)))
	must(t, UsageOf(db).SaveUsage(used(startOfTime, 12))) // the same hour
	must(t, UsageOf(db).SaveUsage(used(startOfTime.Add(time.Hour), 20)))
	db = h.open()
	if got := loadedUsage(t, db); !slices.Equal(got, []int{12, 20}) {
		t.Errorf("%v", got)
	}
	must(t, UsageOf(db).SaveUsage(used(startOfTime.Add(poolusage.Keep+time.Hour), 30)))
	if got := loadedUsage(t, db); !slices.Equal(got, []int{20, 30}) {
		t.Errorf("two weeks later: %v", got)
	}
}

func TestAFileOfSchemaThreeGetsUsage(t *testing.T) {
	h := newFixture(t)
	db := h.open()
	must(t, db.SaveJob(7, 0, []byte("kept")))
	must(t, db.file.Update(func(tx dbfile.Tx) error {
		must(t, tx.DeleteBucket([]byte(tableUsage)))
		return tx.Bucket([]byte(dbfile.MetaTable)).Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, 3))
	}))
	db = h.open()
	must(t, UsageOf(db).SaveUsage(used(startOfTime, 10)))
	if got, jobs := loadedUsage(t, db), loadedJobs(t, db); !slices.Equal(got, []int{10}) || len(jobs) != 1 {
		t.Errorf("%v, %q", got, jobs)
	}
}
