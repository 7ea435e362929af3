package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// server is one provisioning server that DHCP gave the phone.
type server struct {
	option    string // its code
	value     string
	transport string // tftp, http, https; another scheme of a URL; "" when the value is binary
}

// serversIn returns the provisioning servers in the options of an ACK, as entries have them.
func serversIn(options string) []server {
	var out []server
	for _, word := range strings.Fields(options) {
		code, value, ok := strings.Cut(word, "=")
		if !ok || code == "67" || code == "132" {
			continue // the boot file's name; the voice VLAN
		}
		t := server{option: code, value: value}
		scheme, _, isURL := strings.Cut(value, "://")
		switch {
		case isURL:
			t.transport = scheme[strings.LastIndexAny(scheme, `"'= ,;`)+1:]
		case code == "66" || code == "150":
			t.transport = "tftp" // an address or a name alone
		}
		out = append(out, t)
	}
	return out
}

// neverAsked returns why a phone with an address may not have requested a file.
func (s *story) neverAsked() []conclusion {
	e := s.dhcp.acked
	if e == nil || e != s.dhcp.last || s.f.NoPack {
		return nil // its address is the reason
	}
	if _, leased := s.activeLease(e.Addr); !leased && e.Verdict == string(dhcp.VerdictAcked) {
		return nil
	}
	if s.f.Phones != nil {
		switch s.f.Phones(e.Addr) {
		case dhcp.PhonesNone:
			return []conclusion{doubtful(e.Time, fmt.Sprintf("its subnet has phones: none, so it was not given a provisioning server with %s", e.Addr), "")}
		case dhcp.PhonesMove:
			return []conclusion{doubtful(e.Time, fmt.Sprintf("its subnet has phones: move, so it was given its voice VLAN with %s and no provisioning server", e.Addr), "it should start again in its voice VLAN")}
		}
	}
	told := serversIn(e.Options)
	switch {
	case len(told) == 0 && e.Vendor == "":
		return []conclusion{problem(e.Time, fmt.Sprintf("it got %s, but no provisioning server: no vendor pack recognised it", e.Addr),
			"name its vendor: plugtone device add "+s.f.MAC.String()+" --vendor V --model M")}
	case len(told) == 0:
		return []conclusion{problem(e.Time, fmt.Sprintf("it got %s, but no option with a provisioning server", e.Addr),
			"see what DHCP would send it: plugtone explain "+s.f.MAC.String())}
	}
	if c, off := s.switchedOff(e, told); off {
		return []conclusion{c}
	}
	if s.f.Now.Sub(e.Time) < grace {
		return []conclusion{doubtful(e.Time, "it has not requested a file yet", "most phones take half a minute to two minutes")}
	}
	return []conclusion{problem(e.Time, fmt.Sprintf("it was given the provisioning server %s (option %s), and its timeline has no file request", told[0].value, told[0].option),
		"it ignores the DHCP option or has a stored server address: look at its provisioning settings, or reset it to factory settings")}
}

// switchedOff reports that every transport by which the phone was told to fetch is switched off.
func (s *story) switchedOff(e *timeline.Entry, told []server) (conclusion, bool) {
	for _, t := range told {
		if !slices.Contains(s.f.Off, t.transport) {
			return conclusion{}, false
		}
	}
	t := told[0]
	return problem(e.Time, fmt.Sprintf("it was told to fetch from %s over %s (option %s), and %s is switched off on this server", t.value, t.transport, t.option, t.transport),
		fmt.Sprintf("set %s.enabled: true and restart plugtone, or change provisioning_url", t.transport)), true
}
