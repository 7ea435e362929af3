package fleet

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/trust"
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
	Port      string     `json:"port,omitempty"`  // switch port (option 82) that the phone was behind
	Server    netip.Addr `json:"server,omitzero"` // where phones of its leased subnet were sent: each member of a cluster has an address of its own
	// OwnProof is when the phone, as far as was known at the fetch, proved itself last by its own credentials or certificate.
	OwnProof time.Time `json:"own_proof,omitzero"`
	// Given is when a file, as far as was known at the fetch, first gave the phone its credentials.
	Given time.Time `json:"given,omitzero"`
}

// HistoryOf returns what a phone's fetches have shown.
func HistoryOf(fetches []Fetch) (h trust.History) {
	var port Fetch
	for _, f := range fetches {
		if f.Port != "" && !f.Time.Before(port.Time) {
			port = f
		}
		if f.OwnProof.After(h.OwnProof) {
			h.OwnProof = f.OwnProof
		}
		if f.Given.After(h.Given) {
			h.Given = f.Given
		}
	}
	h.Port = port.Port
	return h
}

// LastFetch returns the latest fetch; ok is false when there is none.
func LastFetch(fetches []Fetch) (last Fetch, ok bool) {
	for _, f := range fetches {
		if f.Time.After(last.Time) {
			last, ok = f, true
		}
	}
	return last, ok
}
