package admintest

import (
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// Timeline implements admin.Events.
func (h *Fixture) Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	return newest(h, mac, limit, false)
}

// PhoneLog implements admin.Events.
func (h *Fixture) PhoneLog(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	return newest(h, mac, limit, true)
}

func newest(h *Fixture, mac dhcp.MAC, limit int, log bool) ([]timeline.Entry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return nil, ErrBroken
	}
	list := slices.DeleteFunc(slices.Clone(h.entries[mac]), func(e timeline.Entry) bool { return (e.Source == timeline.Syslog) != log })
	return list[max(0, len(list)-limit):], nil
}
