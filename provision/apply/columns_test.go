package apply_test

import (
	"testing"

	"plugtone/provision/apply"
)

func TestColumnsAreRecognisedOrGuessed(t *testing.T) {
	for _, x := range []struct {
		file, format string
		want         []apply.Column
	}{
		{"\xef\xbb\xbfMAC Address;Room;User name;ext.;Colour;mac;set:language\n;;;1001;;001565000001\n;B2\n", "plugtone", []apply.Column{
			{"MAC Address", "", "", ""}, {"Room", "", "location", "B2"}, {"User name", "", "label", ""}, {"ext.", "", "line1", "1001"}, {"Colour", "", "", ""},
			{"mac", "mac", "", "001565000001"}, {"set:language", "set:language", "", ""}}},
		{"device_mac_address,device_label,user_id,device_uuid,what\n", "FusionPBX", []apply.Column{
			{"device_mac_address", "mac", "", ""}, {"device_label", "label", "", ""}, {"user_id", "line", "", ""}, {"device_uuid", "-", "", ""}, {"what", "", "", ""}}},
	} {
		format, got, err := apply.Columns([]byte(x.file))
		if err != nil || format != x.format || len(got) != len(x.want) {
			t.Fatalf("%q: %s %+v, %v", x.file, format, got, err)
		}
		for i := range got {
			if got[i] != x.want[i] {
				t.Errorf("column %d: %+v, want %+v", i, got[i], x.want[i])
			}
		}
	}
	for _, file := range []string{"", "a\"b,c\n"} {
		if _, _, err := apply.Columns([]byte(file)); err == nil {
			t.Errorf("%q has columns", file)
		}
	}
}
