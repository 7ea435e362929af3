package leasetable

import (
	"time"

	"plugtone/dhcp"
)

const (
	maxWaiting = 4096             // clients that are remembered at a time
	waitWindow = 30 * time.Second // a client's first message this long ago belongs to an earlier start
)

// waitingClients are the clients that wait for another server of their subnet, with the time of their first message that was left to it.
type waitingClients map[dhcp.MAC]time.Time

// remember stores that mac waits for another server, or that it has been answered.
func (c waitingClients) remember(mac dhcp.MAC, w dhcp.Waits, now time.Time) {
	if w == dhcp.WaitsEnd {
		delete(c, mac)
		return
	}
	if since, ok := c[mac]; ok && recent(since, now) {
		return
	}
	if len(c) >= maxWaiting {
		clear(c) // these clients wait for one more message
	}
	c[mac] = now
}

// WaitingSince returns when the first message of mac was left to another server, if the client has not been answered since.
func (v *Leases) WaitingSince(mac dhcp.MAC) (time.Time, bool) {
	since, ok := v.waiting[mac]
	return since, ok && recent(since, v.now)
}

// recent reports whether a message at since belongs to the present start of a client. After a step of the clock it may be in the future, and does not.
func recent(since, now time.Time) bool {
	age := now.Sub(since)
	return age >= 0 && age < waitWindow
}
