package fleet

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// Discovered is a phone that asked for something and has no device record. When the same phone is seen again its
// members are merged: FirstSeen stays, what is newly known replaces, what is not said stays.
type Discovered struct {
	MAC       dhcp.MAC     `json:"mac"`
	Vendor    string       `json:"vendor,omitempty"`
	Model     string       `json:"model,omitempty"`
	Firmware  string       `json:"firmware,omitempty"`
	Hostname  string       `json:"hostname,omitempty"`
	IP        netip.Addr   `json:"ip,omitzero"`
	Subnet    netip.Prefix `json:"subnet,omitzero"`
	Reason    string       `json:"reason,omitempty"` // how it was recognised
	CircuitID string       `json:"circuit_id,omitempty"`
	RemoteID  string       `json:"remote_id,omitempty"`
	FirstSeen time.Time    `json:"first_seen"`
	LastSeen  time.Time    `json:"last_seen"`
}
