package leases

import "testing"

func TestOriginOfSharedLeasesIsKept(t *testing.T) {
	f := newFixture(t)
	db, _ := f.open()
	if o, err := db.LeaseOrigin(); err != nil || o != (Origin{}) {
		t.Errorf("at first: %+v, %v", o, err)
	}
	want := Origin{ID: "ABC", Revision: 1 << 40}
	must(t, db.SetLeaseOrigin(want))
	db, _ = f.open()
	if o, err := db.LeaseOrigin(); err != nil || o != want {
		t.Errorf("after a restart: %+v, %v", o, err)
	}
}
