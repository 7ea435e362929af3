package pack_test

import (
	"fmt"
	"sync"
	"testing"

	"plugtone/provision/phonefile"
)

// After a power cut all phones boot at once: fragments that their files share hold no data of a single phone.
func TestConcurrentRendersDoNotMix(t *testing.T) {
	v := acmeVendor(t)
	phone := func(i int) phonefile.Phone {
		p := acmePhone("A2")
		p.Lines[0].Number = fmt.Sprint(1000 + i)
		p.Settings = map[string]any{"time_zone": []string{"Asia/Tokyo", "Europe/Berlin"}[i%2]}
		return p
	}
	want := make([]string, 20)
	for i := range want {
		b, err := v.Render("{mac}.cfg", phone(i))
		if err != nil {
			t.Fatal(err)
		}
		want[i] = string(b)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range want {
				if b, err := v.Render("{mac}.cfg", phone(i)); err != nil || string(b) != want[i] {
					t.Errorf("phone %d: %v\n%s\nwant\n%s", i, err, b, want[i])
				}
			}
		})
	}
	all.Wait()
}
