package events

import (
	"cmp"
	"maps"
	"slices"

	"plugtone/dhcp"
)

// strangers holds the timeline entries of phones without a device record, by MAC.
type strangers map[dhcp.MAC][]queued

// strangerEntries bounds the memory for phones without a record: entries for each of them on average.
const strangerEntries = 8

func (s strangers) add(q queued, perPhone int) {
	entries := append(slices.Clip(s[q.mac]), q) // a copy: the old one may be read
	s[q.mac] = entries[max(0, len(entries)-perPhone):]
}

// limit removes the strangers that were quiet for longest beyond that number, and some more, so that a flood does not sort
// them for each entry.
func (s strangers) limit(most int) {
	total := 0
	for _, entries := range s {
		total += len(entries)
	}
	if len(s) <= most && total <= most*strangerEntries {
		return
	}
	newest := func(mac dhcp.MAC) uint64 { return s[mac][len(s[mac])-1].number }
	order := slices.SortedFunc(maps.Keys(s), func(a, b dhcp.MAC) int { return cmp.Compare(newest(a), newest(b)) })
	for _, mac := range order {
		if len(s) <= most-most/20 && total <= most*strangerEntries*19/20 {
			return
		}
		total -= len(s[mac])
		delete(s, mac)
	}
}
