package apply

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// TestRecordsComeInTheOrderOfTheirKeys: what others refer to first, then by key however it is written, each with its position in the file.
func TestRecordsComeInTheOrderOfTheirKeys(t *testing.T) {
	var got []string
	note := func(o Object, p *Problem) error {
		if p != nil {
			got = append(got, fmt.Sprint(o.Order, " ", p.Place, " ", p.Message))
			return nil
		}
		name := o.Doc[map[string]string{fleet.KindDevice: "mac", fleet.KindExtension: "number"}[o.Kind]]
		if name == nil {
			name = o.Doc["name"]
		}
		got = append(got, fmt.Sprintf("%d %s %v", o.Order, o.Place, name))
		return nil
	}
	compare := func(want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		got = nil
	}
	d, err := ParseDocument([]byte(`{"devices":[{"label":"x","mac":"00-15-65-00-00-02"},{"mac":"00:15:65:00:00:01"},{"mac":"0015.6500.0002"},7],
		"profiles":[{"name":"b","parent":"a"},{"name":"a"}],"extensions":[{"registrar":"m","number":"9"},{"number" : "10"},{"number":5}],"registrars":[{"name":"m"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Objects(note); err != nil {
		t.Fatal(err)
	}
	compare("0 registrars[0] m", "3 extensions[2] 5", "2 extensions[1] 10", "1 extensions[0] 9", "5 profiles[1] a", "4 profiles[0] b",
		"9 devices[3] is not an object of members and values", "7 devices[1] 00:15:65:00:00:01", "6 devices[0] 00-15-65-00-00-02", "8 devices[2] 0015.6500.0002")

	table, err := ParseTable([]byte("device_address,user_id,password\n001565000002,9,x\n001565000003,,\n001565000001,10,y\n00156500,11,z\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Objects(func(dhcp.MAC) (*fleet.Device, error) { return nil, nil }, note); err != nil {
		t.Fatal(err)
	}
	compare("2 row 4 10", "0 row 2 9", "3 row 5, column device_address is not a MAC address: write it as 001565123456, 00:15:65:12:34:56, 00-15-65-12-34-56 or 0015.6512.3456",
		"2 row 4 00:15:65:00:00:01", "0 row 2 00:15:65:00:00:02", "1 row 3 00:15:65:00:00:03")
	if n := table.Steps(); n != 7 {
		t.Errorf("%d steps", n)
	}
}
