package provision_test

import (
	"testing"

	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
)

var (
	mac    = provisiontest.MAC
	front  = provisiontest.FrontDesk
	edit   = provisiontest.Edit
	office = provisiontest.Office
	fields = provisiontest.Fields
)

func checkDevice(t *testing.T, r *provisiontest.Records, d *fleet.Device) (err error) {
	t.Helper()
	packs := provisiontest.Packs(t)
	if e := r.View(func(f fleet.View) error { err = resolve.CheckDevice(f, packs, d); return nil }); e != nil {
		t.Fatal(e)
	}
	return err
}
