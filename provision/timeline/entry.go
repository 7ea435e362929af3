// Package timeline has the entries about what happened to one phone, over DHCP, TFTP, HTTP and SIP, in order. Package diagnosis concludes
// from them. Package store keeps them.
package timeline

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// Syslog is the source of what a phone has logged itself: any host on the link can send it, so nothing is concluded from it.
const Syslog = "syslog"

// IsFile reports whether entries of this source are about files.
func IsFile(source string) bool { return source == "tftp" || source == "http" || source == "https" }

// The verdicts of file requests that decide about a phone's state.
const (
	Served      = "served"
	NotModified = "not_modified"
	Refused     = "refused"
)

// Entry is one decision about one phone. Time, MAC, Source, Event and Verdict are always set.
type Entry struct {
	Time       time.Time     `json:"time" doc:"when it happened" example:"2026-11-22T12:00:00Z"`
	MAC        dhcp.MAC      `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Source     string        `json:"source" doc:"protocol; syslog for a line that the phone has logged, trust for a security event, admin for an operator's change" example:"dhcp" enum:"dhcp,tftp,http,https,sip,syslog,trust,admin"`
	Event      string        `json:"event" doc:"what was requested, such as discover, request, inform, release, decline, get, put, handshake (TLS), notify, log or change" example:"discover"`
	Verdict    string        `json:"verdict" doc:"what was decided, such as offered, acked, nak, silent, served, not_modified, not_found, refused, challenged or fault; of a handshake that failed the reason, such as unknown_authority or clock; of a line of the phone's log its severity, from emergency to debug" example:"offered"`
	Reason     string        `json:"reason,omitempty" doc:"why, in one sentence; of a line of the phone's log its text" example:"reserved for the device"`
	Addr       netip.Addr    `json:"addr,omitzero" doc:"address that was offered or leased, or that the request came from" example:"10.20.1.7"`
	Interface  string        `json:"interface,omitempty" doc:"network interface of the request" example:"eth1"`
	File       string        `json:"file,omitempty" doc:"name of the file as the phone requested it, without control characters" example:"001565123456.cfg"`
	Kind       string        `json:"kind,omitempty" doc:"kind of file: device, private, common, firmware, static, none, upload or checksum" example:"device"`
	Bytes      int64         `json:"bytes,omitempty" doc:"bytes that were sent" example:"10240" minimum:"0"`
	Digest     string        `json:"digest,omitempty" doc:"SHA-256 of the bytes in hexadecimal; a stand-in for callers without the role admin" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Vendor     string        `json:"vendor,omitempty" doc:"vendor pack that recognised the phone" example:"yealink"`
	Model      string        `json:"model,omitempty" doc:"model that the phone reported" example:"T46U"`
	Recognised string        `json:"recognised,omitempty" doc:"vendor that the phone's own messages name, when its record names another" example:"snom"`
	Firmware   string        `json:"firmware,omitempty" doc:"firmware that the phone reported" example:"108.86.0.70"`
	Upstream   string        `json:"upstream,omitempty" doc:"PBX that rendered the file" example:"pbx1.example.net"`
	UpstreamAt time.Time     `json:"upstream_at,omitzero" doc:"set when no PBX answered: when it gave the answer that was sent instead" example:"2026-11-22T12:00:00Z"`
	Options    string        `json:"options,omitempty" doc:"DHCP options that were sent, in short form" example:"1 3 6 51 54 66=http://10.20.0.2/"`
	Duration   time.Duration `json:"duration_ns,omitempty" doc:"how long the answer took, in nanoseconds" example:"1500000" minimum:"0"`
	Repeat     int           `json:"repeat,omitempty" doc:"how many further times the same thing happened right after" example:"3" minimum:"0"`
	Member     string        `json:"member,omitempty" doc:"member of the cluster where it happened; absent on a single appliance" example:"voice-a"` // of answers; not stored
}
