package phone

import (
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// entry is one entry of a timeline in words.
type entry struct {
	timeline.Entry
	Protocol string // its name
	Text     string // what happened, in a few words
	Tone     string // "" usual, bad when the phone lacks something by it
	Fresh    bool   // it has just happened
	Parts    []part // the packet or file in detail
}

// part is one detail of an entry.
type part struct{ Name, Value string }

func entryOf(e timeline.Entry) entry {
	x := entry{Entry: e, Protocol: protocolName(e.Source), Text: words(e)}
	switch e.Verdict {
	case "refused", "challenged", "fault", "nak", "exhausted", "declined", "other_server", "malformed", "conflict", "not_found", "rejected", "silent":
		if e.Verdict != "challenged" && (e.Verdict != "silent" || e.Source == "sip") && e.Verdict != "not_found" {
			x.Tone = "bad"
		}
	}
	if e.Event == "handshake" {
		x.Tone = "bad"
	}
	x.Parts = details(e)
	return x
}

// details lists what the packet or file had, for those who want to know.
func details(e timeline.Entry) []part {
	var out []part
	add := func(name, value string) {
		if value != "" {
			out = append(out, part{name, value})
		}
	}
	add("Event", e.Event)
	add("Verdict", e.Verdict)
	add("Member", e.Member)
	if e.Addr.IsValid() {
		add("Address", e.Addr.String())
	}
	add("Interface", e.Interface)
	add("Options sent", e.Options)
	add("File", e.File)
	add("Kind of file", e.Kind)
	add("SHA-256", e.Digest)
	add("Vendor", e.Vendor)
	add("Model", e.Model)
	add("Firmware", e.Firmware)
	add("Recognised as", e.Recognised)
	if e.Duration > 0 {
		add("Answered after", e.Duration.Round(10*time.Microsecond).String())
	}
	return out
}

// words describes an entry for people who don't read packets.
func words(e timeline.Entry) string {
	switch {
	case e.Source == "dhcp":
		return dhcpWords(e)
	case timeline.IsFile(e.Source) && e.Event == "handshake":
		return "The TLS connection failed: " + spaced(e.Verdict)
	case timeline.IsFile(e.Source):
		return fileWords(e)
	case e.Source == "sip" && e.Event == "pnp":
		return "It looked for a provisioning server by SIP multicast"
	case e.Source == "sip" && e.Verdict == "sent":
		return "A NOTIFY was sent: fetch the files again"
	case e.Source == "sip":
		return "NOTIFY: " + spaced(e.Verdict)
	case e.Source == "trust":
		return "Security: " + spaced(e.Verdict)
	case e.Source == "admin":
		return capital(e.Reason)
	}
	return spaced(e.Event) + ": " + spaced(e.Verdict)
}

func dhcpWords(e timeline.Entry) string {
	addr := " an address"
	if e.Addr.IsValid() && e.Addr != (netip.Addr{}) {
		addr = " " + e.Addr.String()
	}
	switch dhcp.Verdict(e.Verdict) {
	case dhcp.VerdictOffered:
		return "It looked for an address and was offered" + addr
	case dhcp.VerdictAcked:
		return "It was given" + addr
	case dhcp.VerdictInformed:
		return "It was given the options that it requested"
	case dhcp.VerdictNak:
		return "It was refused" + addr
	case dhcp.VerdictProbing:
		return "The address" + strings.TrimPrefix(addr, " an address") + " is being probed before it is offered"
	case dhcp.VerdictReleased:
		return "It gave back" + addr
	case dhcp.VerdictDeclined:
		return "It declined" + addr + ": another host has it"
	case dhcp.VerdictOtherServer:
		return "It took the offer of another DHCP server," + addr
	case dhcp.VerdictExhausted:
		return "No address was free for it"
	case dhcp.VerdictInternalError:
		return "It was not answered: internal error"
	case dhcp.VerdictConflict:
		return "Another host has" + addr
	}
	return "Its " + strings.ToUpper(e.Event) + " was not answered"
}

func fileWords(e timeline.Entry) string {
	name := e.File
	if name == "" {
		name = "a file"
	}
	if e.Event == "put" {
		if e.Verdict == "served" {
			return "It uploaded " + name
		}
		return "It tried to upload " + name + ": " + spaced(e.Verdict)
	}
	switch e.Verdict {
	case "served":
		return "It fetched " + name
	case "not_modified":
		return "It requested " + name + ", which it has already"
	case "not_found", "expected":
		return "It requested " + name + ", which does not exist"
	case "refused":
		return "It was refused " + name
	case "challenged":
		return "It was asked for its password for " + name
	}
	return "It requested " + name + ": " + spaced(e.Verdict)
}

func spaced(word string) string { return strings.ReplaceAll(word, "_", " ") }

// capital returns a text with its first letter in upper case.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
