package fleet

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// Transport is the way a request came.
type Transport string

// The transports. Preview is device files and explain: proof is assumed, nothing is recorded.
const (
	TFTP    Transport = "tftp"
	HTTP    Transport = "http"
	HTTPS   Transport = "https"
	Preview Transport = "preview"
)

// Fetch is the last time that a phone was given one of its files.
type Fetch struct {
	MAC       dhcp.MAC   `json:"mac"`
	File      string     `json:"file"` // cleaned name
	Kind      string     `json:"kind,omitempty"`
	Digest    string     `json:"digest"` // SHA-256 of the bytes, hex
	Size      int64      `json:"size"`
	Time      time.Time  `json:"time"`
	From      netip.Addr `json:"from,omitzero"`
	Transport Transport  `json:"transport"`
	UserAgent string     `json:"user_agent,omitempty"`
	Vendor    string     `json:"vendor,omitempty"`
	Model     string     `json:"model,omitempty"`
	Firmware  string     `json:"firmware,omitempty"`
	Port      string     `json:"port,omitempty"` // switch port (option 82) that the phone was behind
	// OwnProof is when the phone, as far as was known at the fetch, proved itself last by its own credentials or certificate.
	OwnProof time.Time `json:"own_proof,omitzero"`
	// Given is when a file, as far as was known at the fetch, first gave the phone its credentials.
	Given time.Time `json:"given,omitzero"`
}
