package resolve

import "testing"

func TestMemberOfWhatIsLeftOut(t *testing.T) {
	for text, want := range map[string]string{
		"setting wallpaper of profile desk: no way is known to set it on A4":          "setting wallpaper",
		"setting srtp: not for line 2: one for all lines":                             "setting srtp",
		"line 2: A4 has no place for label Desk":                                      "line",
		"line 5, beyond the model: has no place in the files of Acme":                 "line",
		"key 3=blf:1001,label=a: b of the device: A1 has keys 1 to 2":                 "key",
		"key line:3: label: has no place in the files of Acme":                        "key label",
		"key expansion1:3: pickup_code: has no place in the files of Acme":            "key pickup_code",
		"time zone Asia/Kathmandu: has no place in the files of Acme":                 "time zone",
		"daylight saving of Africa/Casablanca: its clock changes by no fixed rule, x": "time zone",
	} {
		if got := memberOf(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
