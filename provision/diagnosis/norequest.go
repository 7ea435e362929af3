package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// server is one provisioning server that the phone was given.
type server struct {
	from      string // option CODE, or SIP PnP
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
		t := server{from: "option " + code, value: value}
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

// neverRequested returns why a phone that was given its server may not have requested a file.
func (h *history) neverRequested() []conclusion {
	e, given := h.dhcp.acked, []server(nil)
	if h.pnp != nil {
		url := strings.TrimPrefix(h.pnp.Reason, "given the URL ")
		scheme, _, _ := strings.Cut(url, "://")
		given = append(given, server{"SIP PnP", url, scheme})
	}
	switch {
	case h.f.NoPack:
		return nil // that is the reason
	case h.dhcp.last == nil && h.pnp != nil:
		return []conclusion{h.serverUnused(h.pnp.Time, given)}
	case e == nil || e != h.dhcp.last:
		return nil // its address is the reason
	}
	if _, leased := h.activeLease(e.Addr); !leased && e.Verdict == string(dhcp.VerdictAcked) {
		return nil
	}
	given = append(given, serversIn(e.Options)...)
	if len(given) > 0 {
		return []conclusion{h.serverUnused(e.Time, given)}
	}
	return []conclusion{h.noServerGiven(e)}
}

// noServerGiven returns why a phone was given no provisioning server.
func (h *history) noServerGiven(e *timeline.Entry) conclusion {
	phones := ""
	if h.f.Phones != nil {
		phones = h.f.Phones(e.Addr)
	}
	switch {
	case phones == dhcp.PhonesNone:
		return doubtful(e.Time, fmt.Sprintf("its subnet has phones: none, so it was not given a provisioning server with %s", e.Addr), "")
	case phones == dhcp.PhonesMove:
		return doubtful(e.Time, fmt.Sprintf("its subnet has phones: move, so it was given its voice VLAN with %s and no provisioning server", e.Addr), "it should start again in its voice VLAN")
	case e.Vendor == "":
		return problem(e.Time, fmt.Sprintf("it got %s, but no provisioning server: no vendor pack recognised it", e.Addr),
			"name its vendor: plugtone device add "+h.f.MAC.String()+" --vendor V --model M")
	}
	return problem(e.Time, fmt.Sprintf("it got %s, but no option with a provisioning server", e.Addr), "see what DHCP would send it: plugtone explain "+h.f.MAC.String())
}

// serverUnused returns why a phone may not have requested a file from the servers that it was given at the time since.
func (h *history) serverUnused(since time.Time, given []server) conclusion {
	t := given[0]
	if !slices.ContainsFunc(given, func(t server) bool { return !slices.Contains(h.f.Off, t.transport) }) {
		return problem(since, fmt.Sprintf("it was told to fetch from %s over %s (%s), and %s is switched off on this server", t.value, t.transport, t.from, t.transport),
			fmt.Sprintf("set %s.enabled: true and restart plugtone, or change provisioning_url", t.transport))
	}
	if h.f.Now.Sub(since) < grace {
		return doubtful(since, "it has not requested a file yet", "most phones take half a minute to two minutes")
	}
	return problem(since, fmt.Sprintf("it was given the provisioning server %s (%s), and its timeline has no file request", t.value, t.from),
		"it ignores the DHCP option or has a stored server address: look at its provisioning settings, or reset it to factory settings")
}
