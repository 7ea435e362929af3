package fleet

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// Discovered is a phone that sent a request and has no device record. When the same phone is seen again its
// members are merged: FirstSeen stays, and other members are replaced by the new ones that are not empty.
type Discovered struct {
	MAC       dhcp.MAC     `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Vendor    string       `json:"vendor,omitempty" doc:"id of the vendor pack that recognised the phone" example:"yealink"`
	Model     string       `json:"model,omitempty" doc:"model that the phone reported" example:"T46U"`
	Firmware  string       `json:"firmware,omitempty" doc:"firmware that the phone reported" example:"108.86.0.70"`
	Hostname  string       `json:"hostname,omitempty" doc:"host name that the phone sent in DHCP" example:"SIP-T46U"`
	IP        netip.Addr   `json:"ip,omitzero" doc:"address that the phone has or had last" example:"10.20.1.7"`
	Subnet    netip.Prefix `json:"subnet,omitzero" doc:"subnet of that address" example:"10.20.0.0/22"`
	Reason    string       `json:"reason,omitempty" doc:"how the phone was recognised" example:"DHCP vendor class yealink"`
	CircuitID string       `json:"circuit_id,omitempty" doc:"circuit of the relay agent (DHCP option 82): printable text, else hexadecimal with 0x" example:"Gi1/0/7"`
	RemoteID  string       `json:"remote_id,omitempty" doc:"remote id of the relay agent (DHCP option 82): printable text, else hexadecimal with 0x" example:"switch-3"`
	FirstSeen time.Time    `json:"first_seen" doc:"when the phone was seen first" example:"2026-11-22T12:00:00Z"`
	LastSeen  time.Time    `json:"last_seen" doc:"when the phone was seen last" example:"2026-11-22T12:05:00Z"`
	Member    string       `json:"member,omitempty" doc:"member of the cluster that has seen the phone last; absent on a single appliance" example:"voice-a"` // of answers; not stored
}
