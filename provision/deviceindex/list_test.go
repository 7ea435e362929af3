package deviceindex

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/registration"
	"plugtone/provision/selector"
)

func numbered(n int) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, byte(n >> 16), byte(n >> 8), byte(n)} }

// phones returns devices that share labels, models and so on, and a status for each.
func phones(n int) ([]*fleet.Device, func(dhcp.MAC) devicestatus.Status) {
	list := make([]*fleet.Device, n)
	for i := range list {
		list[i] = &fleet.Device{MAC: numbered(i), Enabled: true, Vendor: "acme", Model: fmt.Sprintf("A%d", i%3), Label: fmt.Sprintf("Phone %d", i%7), Location: fmt.Sprintf("Room %d", i%5),
			Profile: []string{"", "desk"}[i%2], Lines: []fleet.Line{{Extension: fmt.Sprint(1000 + i%11)}}, Tags: []string{"pilot", "x"}[:i%3],
			Serial: fmt.Sprintf("SN%d", i%8), Notes: []string{"", "Spare", strings.Repeat("long ", 20) + fmt.Sprint(i)}[i%3]}
	}
	return list, func(m dhcp.MAC) devicestatus.Status {
		i := int(m[4])<<8 | int(m[5])
		st := devicestatus.Status{SwitchPort: fmt.Sprintf("Gi1/0/%d", i%5), State: []string{"stale", "in_sync", "never_seen"}[i%3], Firmware: fmt.Sprintf("1.%d", i%4), IP: netip.AddrFrom4([4]byte{10, 20, 1, byte(i)}),
			LastSeen: noon.Add(time.Duration(i%9) * time.Minute), LastFetch: noon.Add(time.Duration(-(i % 6)) * time.Hour)}
		if i%4 == 0 {
			st.LeftOut = []string{"key 13: the model has 12"}
		}
		return st
	}
}

// whole reads all pages of a list.
func whole(t *testing.T, x *Index, q Query, sort string, limit int) (macs []dhcp.MAC) {
	t.Helper()
	for after := ""; ; {
		o, err := SortBy(sort, limit, after)
		if err != nil {
			t.Fatal(err)
		}
		page, err := x.List(t.Context(), q, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			macs = append(macs, item.Device.MAC)
		}
		if page.Next == "" {
			return macs
		}
		if len(page.Items) != limit {
			t.Fatalf("%s: a page of %d before the end, want %d", sort, len(page.Items), limit)
		}
		after = page.Next
	}
}

func TestEverySortIsAnOrderOfAllDevices(t *testing.T) {
	list, status := phones(100)
	x, _ := newIndex(t, status, list...)
	x.c.Registration = func(_ []registration.Account, ip netip.Addr) []registration.LineState {
		return []registration.LineState{{State: []string{"registered", "refused"}[ip.As4()[3]%2]}}
	}
	key := map[string]func(d *fleet.Device) string{
		"mac": func(d *fleet.Device) string { return "" }, "label": func(d *fleet.Device) string { return strings.ToLower(d.Label) },
		"vendor": func(d *fleet.Device) string { return d.Vendor }, "model": func(d *fleet.Device) string { return d.Model },
		"profile": func(d *fleet.Device) string { return d.Profile }, "location": func(d *fleet.Device) string { return d.Location },
		"extension": func(d *fleet.Device) string { return d.Lines[0].Extension }, "source": func(d *fleet.Device) string { return "" },
		"state": func(d *fleet.Device) string { return status(d.MAC).State }, "subnet": func(d *fleet.Device) string { return "" },
		"ip":       func(d *fleet.Device) string { return fmt.Sprintf("%3d", status(d.MAC).IP.As4()[3]) },
		"firmware": func(d *fleet.Device) string { return status(d.MAC).Firmware }, "last_seen": func(d *fleet.Device) string { return status(d.MAC).LastSeen.String() },
		"last_fetch":  func(d *fleet.Device) string { return status(d.MAC).LastFetch.String() },
		"switch_port": func(d *fleet.Device) string { return status(d.MAC).SwitchPort }, "serial": func(d *fleet.Device) string { return d.Serial },
		"tags": func(d *fleet.Device) string { return strings.Join(d.Tags, " ") }, "notes": func(d *fleet.Device) string { return strings.ToLower(d.Notes[:min(len(d.Notes), maxNote)]) },
		"registered": func(d *fleet.Device) string { return []string{"registered", "refused"}[status(d.MAC).IP.As4()[3]%2] },
	}
	for _, sort := range Sorts() {
		want := slices.Clone(list)
		slices.SortFunc(want, func(a, b *fleet.Device) int {
			return cmp.Or(strings.Compare(key[sort](a), key[sort](b)), compareMAC(a.MAC, b.MAC))
		})
		for _, way := range []string{sort, "-" + sort} {
			got := whole(t, x, Query{}, way, 7)
			if !slices.EqualFunc(want, got, func(d *fleet.Device, mac dhcp.MAC) bool { return d.MAC == mac }) {
				t.Errorf("%s: %v", way, got)
			}
			slices.Reverse(want)
		}
	}
}

func TestCursorOfAnotherListIsAnError(t *testing.T) {
	list, status := phones(9)
	x, _ := newIndex(t, status, list...)
	o, _ := SortBy("label", 3, "")
	page, err := x.List(t.Context(), Query{}, o)
	if err != nil {
		t.Fatal(err)
	}
	for sort, cursor := range map[string]string{"-label": page.Next, "model": page.Next, "mac": page.Next, "label": "AA", "ip": "%"} {
		if _, err := SortBy(sort, 3, cursor); err == nil {
			t.Errorf("sort %s takes the cursor %q of another list", sort, cursor)
		}
	}
	if _, err := SortBy("colour", 3, ""); err == nil || !strings.Contains(err.Error(), "last_fetch") {
		t.Errorf("an unknown field: %v", err)
	}
}

// TestPagesUnderWritesNeitherSkipNorRepeat: devices that are not changed are on exactly one page, while others come, go and change.
func TestPagesUnderWritesNeitherSkipNorRepeat(t *testing.T) {
	list, status := phones(120)
	x, records := newIndex(t, status, list...)
	r := rand.New(rand.NewPCG(1, 2))
	write := func() {
		provisiontest.Edit(t, records, func(e fleet.Edit) error {
			n := r.IntN(60)*2 + 1 // devices with odd numbers change
			d := &fleet.Device{MAC: numbered(n), Enabled: true, Vendor: "bolt", Model: "B1", Label: fmt.Sprintf("Other %d", r.IntN(100)), Location: fmt.Sprint(r.IntN(9))}
			if _, err := e.Device(d.MAC); err == nil && r.IntN(2) == 0 {
				return e.DeleteDevice(d.MAC)
			}
			return e.PutDevice(d)
		})
	}
	for _, sort := range Sorts() {
		seen := map[dhcp.MAC]int{}
		for after := ""; ; {
			o, err := SortBy(sort, 5, after)
			if err != nil {
				t.Fatal(err)
			}
			page, err := x.List(t.Context(), Query{}, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Items {
				seen[item.Device.MAC]++
			}
			if after = page.Next; after == "" {
				break
			}
			write()
		}
		for n := 0; n < len(list); n += 2 {
			if seen[numbered(n)] != 1 {
				t.Errorf("sort %s: device %d is on %d pages", sort, n, seen[numbered(n)])
			}
		}
	}
}

func TestSearchFindsEveryText(t *testing.T) {
	long := strings.Repeat("blank ", 30) + "Needle"
	x, _ := newIndex(t, func(dhcp.MAC) devicestatus.Status { return devicestatus.Status{State: "never_seen"} },
		&fleet.Device{MAC: numbered(1), OtherMACs: []dhcp.MAC{{0xaa, 0xbb, 0xcc, 0, 0, 1}}, Vendor: "acme", Model: "A4", Profile: "desk", Label: "Front Desk", Location: "Berlin", Notes: "spare",
			ReservedIP: netip.MustParseAddr("10.20.0.50"), Lines: []fleet.Line{{Extension: "1001", Registrar: "main"}, {Extension: "2002"}}},
		&fleet.Device{MAC: numbered(2), Notes: long})
	for text, want := range map[string]int{
		"": 2, "00:15:65": 2, "0015.6500": 2, "aabbcc": 1, "aa-bb": 1, "acm": 1, "a4": 1, "front": 1, "berl": 1, "spare": 1, "0.50": 1, "1001": 1, "2002": 1, "needle": 1, "main": 0, "needles": 0,
	} {
		if got := whole(t, x, Query{Text: text}, "mac", 5); len(got) != want {
			t.Errorf("%q finds %v, want %d", text, got, want)
		}
	}
}

func TestCountsAddUp(t *testing.T) {
	list, status := phones(60)
	x, _ := newIndex(t, status, list...)
	where, _ := selector.Parse("profile=desk")
	for _, q := range []Query{{}, {Where: where}, {Text: "phone 3"}} {
		all := whole(t, x, q, "mac", 1000)
		c, err := x.Count(t.Context(), q, Facets())
		if err != nil || c.Total != len(all) || c.Pending != 0 {
			t.Fatalf("%d of %d, %d pending, %v", c.Total, len(all), c.Pending, err)
		}
		want := map[string]map[string]int{}
		for _, f := range Facets() {
			want[f] = map[string]int{}
		}
		for _, mac := range all {
			d := list[slices.IndexFunc(list, func(d *fleet.Device) bool { return d.MAC == mac })]
			st := status(mac)
			for f, values := range map[string][]string{"state": {st.State}, "vendor": {d.Vendor}, "model": {d.Vendor + "/" + d.Model}, "profile": {d.Profile}, "subnet": {"10.20.0.0/22"}, "tag": d.Tags, "left_out": st.LeftOut} {
				if len(values) == 0 {
					values = []string{""}
				}
				for _, v := range values {
					want[f][v]++
				}
			}
		}
		for _, f := range Facets() {
			got := map[string]int{}
			for i, v := range c.By[f] {
				if got[v.Value] = v.Count; i > 0 && v.Count > c.By[f][i-1].Count {
					t.Errorf("%s is not sorted: %v", f, c.By[f])
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want[f]) {
				t.Errorf("%s: %v, want %v", f, got, want[f])
			}
		}
	}
}
