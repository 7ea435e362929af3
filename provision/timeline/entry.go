// Package timeline holds what happened to one phone, over DHCP, TFTP, HTTP and SIP, in order, and what can be concluded
// from it. It is pure: store keeps entries, admin shows them, daemon feeds them.
package timeline

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// Entry is one decision about one phone. Time, MAC, Source, Event and Verdict are always set.
type Entry struct {
	Time      time.Time     `json:"time"`
	MAC       dhcp.MAC      `json:"mac"`
	Source    string        `json:"source"`           // dhcp, tftp, http, https, sip, admin
	Event     string        `json:"event"`            // what was asked: discover, request, inform, release, decline, get, put, notify, change
	Verdict   string        `json:"verdict"`          // what was decided, from a closed set: offered, acked, nak, silent, served, not_modified, not_found, refused, challenged, fault ...
	Reason    string        `json:"reason,omitempty"` // one plain sentence for people
	Addr      netip.Addr    `json:"addr,omitzero"`    // address offered, leased, or requesting
	Interface string        `json:"interface,omitempty"`
	File      string        `json:"file,omitempty"` // name as the phone asked for it, cleaned of control characters
	Kind      string        `json:"kind,omitempty"` // device, private, common, firmware, static, none, upload
	Bytes     int64         `json:"bytes,omitempty"`
	Digest    string        `json:"digest,omitempty"` // SHA-256 of the bytes served, hex
	Vendor    string        `json:"vendor,omitempty"`
	Model     string        `json:"model,omitempty"`
	Firmware  string        `json:"firmware,omitempty"`
	Options   string        `json:"options,omitempty"` // DHCP options sent, short form: "1 3 6 51 54 66=http://10.20.0.2/"
	Duration  time.Duration `json:"duration_ns,omitempty"`
	Repeat    int           `json:"repeat,omitempty"` // how many further times the same thing happened right after
}
