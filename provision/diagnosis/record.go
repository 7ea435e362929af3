package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/provision/timeline"
)

// record returns the findings from the device record alone.
func (h *history) record() []conclusion {
	f, none := h.f, time.Time{}
	switch {
	case !f.Recorded && len(h.entries) > 0:
		return []conclusion{doubtful(none, fmt.Sprintf("%s has no device record, so no configuration is made for it", f.MAC),
			fmt.Sprintf("plugtone discovered adopt %s, or plugtone device add %s", f.MAC, f.MAC))}
	case f.Recorded && f.Vendor == "":
		return []conclusion{note(none, "the device has no vendor: only its address is kept", "")}
	case f.NoPack:
		return []conclusion{problem(none, fmt.Sprintf("there is no vendor pack %q, the vendor of its record: its files are answered with 503 over HTTP and not at all over TFTP", f.Vendor),
			fmt.Sprintf("put the pack back into provisioning.vendor_dirs and run plugtone reload, or give it another vendor: plugtone device set %s --model VENDOR/MODEL", f.MAC))}
	case f.Recorded && !f.Enabled:
		return []conclusion{doubtful(none, "the device is disabled: its accounts and keys are cleared at its next fetch",
			fmt.Sprintf("plugtone device enable %s", f.MAC))}
	}
	return nil
}

// vendor returns what contradicts the vendor and the model of the record, since the phone started last.
func (h *history) vendor() []conclusion {
	if h.f.Vendor == "" || h.f.NoPack {
		return nil
	}
	recorded := strings.TrimSpace(h.f.Vendor + " " + h.f.Model)
	var foreign, model conclusion
	for i := len(h.entries) - 1; i >= h.boot; i-- {
		e := &h.entries[i]
		if e.Recognised != "" && e.Recognised != h.f.Vendor {
			what := "its user agent names"
			if e.Source == "dhcp" {
				what = "its DHCP messages name"
			}
			return []conclusion{problem(e.Time, fmt.Sprintf("its record has %s, but %s %s", recorded, what, e.Recognised),
				fmt.Sprintf("correct the record: plugtone device set %s --model %s/MODEL", h.f.MAC, e.Recognised))}
		}
		if c, ok := h.otherModel(e); ok && model.Text == "" {
			model = c
		}
		if c, ok := h.otherVendor(e, recorded); ok && foreign.Text == "" {
			foreign = c
		}
	}
	var out []conclusion
	for _, c := range []conclusion{model, foreign} {
		if c.Text != "" {
			out = append(out, c)
		}
	}
	return out
}

// claims returns the packs whose phones request the file of an entry. A refused request proves nothing of the phone.
func (h *history) claims(e *timeline.Entry) []Claim {
	if h.f.Claims == nil || !timeline.IsFile(e.Source) || e.File == "" || e.Verdict == "refused" {
		return nil
	}
	return h.f.Claims(e.File)
}

// otherModel reports a file that only models other than the record's request.
func (h *history) otherModel(e *timeline.Entry) (conclusion, bool) {
	for _, c := range h.claims(e) {
		if c.Vendor != h.f.Vendor || h.f.Model == "" || len(c.Models) == 0 || slices.Contains(c.Models, h.f.Model) {
			continue
		}
		return problem(e.Time, fmt.Sprintf("it requested %s, which is a file of %s, but its record has %s", name(e), few(c.Models), h.f.Model),
			fmt.Sprintf("correct the record: plugtone device set %s --model %s", h.f.MAC, c.Models[0])), true
	}
	return conclusion{}, false
}

// otherVendor reports a file that was not found and that only phones of other vendors request.
func (h *history) otherVendor(e *timeline.Entry, recorded string) (conclusion, bool) {
	claims := h.claims(e)
	if len(claims) == 0 || e.Verdict != "not_found" || slices.ContainsFunc(claims, func(c Claim) bool { return c.Vendor == h.f.Vendor }) {
		return conclusion{}, false
	}
	var names []string
	for _, c := range claims {
		names = append(names, c.Vendor)
	}
	return doubtful(e.Time, fmt.Sprintf("it requested %s, which phones of %s request, but its record has %s", name(e), few(names), recorded),
		"compare the vendor and model on its label with its record: plugtone device show "+h.f.MAC.String()), true
}

// few names the first of many.
func few(names []string) string {
	const most = 4
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// macUsedTwice reports that the firmware or the address of its file requests alternates, as when two phones use the MAC.
func (h *history) macUsedTwice() []conclusion {
	var firmware, addrs changes
	for i := range h.entries {
		if e := &h.entries[i]; timeline.IsFile(e.Source) && !h.leasedToOther(e.Addr) {
			firmware.add(e.Firmware, e.Time)
			if e.Addr.IsValid() {
				addrs.add(e.Addr.String(), e.Time)
			}
		}
	}
	var out []conclusion
	if a, b, ok := firmware.alternate(h.f.Now); ok {
		out = append(out, problem(firmware.last, fmt.Sprintf("two phones seem to use its MAC: its requests report firmware %s and %s in turn, last at %s", a, b, at(firmware.last)),
			"compare the MAC on the labels of both, and look for it in the switches' address tables"))
	}
	if a, b, ok := addrs.alternate(h.f.Now); ok {
		out = append(out, problem(addrs.last, fmt.Sprintf("its files are requested from two addresses in turn, %s and %s, last at %s", a, b, at(addrs.last)),
			"two phones use its MAC, or one is behind a router with two outside addresses; look for it in the switches' address tables"))
	}
	return out
}

// leasedToOther reports whether an address is leased to another client.
func (h *history) leasedToOther(addr netip.Addr) bool {
	if h.f.Holder == nil || !addr.IsValid() {
		return false
	}
	holder := h.f.Holder(addr)
	_, own := h.activeLease(addr)
	return !holder.IsZero() && !own
}

// changes follows a value that should seldom change.
type changes struct {
	values []string // each time it changed, the new value; the last few
	last   time.Time
}

func (c *changes) add(value string, at time.Time) {
	if value == "" || len(c.values) > 0 && c.values[len(c.values)-1] == value {
		return
	}
	c.values, c.last = append(c.values, value), at
}

// alternate reports whether the last four values are two in turn, and the last change is not long past. An update has one change, and one
// that is taken back has two.
func (c *changes) alternate(now time.Time) (a, b string, ok bool) {
	n := len(c.values)
	if n < 4 || now.Sub(c.last) > reportTwiceFor || c.values[n-1] != c.values[n-3] || c.values[n-2] != c.values[n-4] {
		return "", "", false
	}
	return c.values[n-2], c.values[n-1], true
}
