package network

import (
	"plugtone/admin/client"
	"plugtone/admin/web/page"
)

// incident is something wrong on the network, in words.
type incident struct {
	client.Incident
	Name, Tone string
	Advice     string
}

// kindWords are the words for a kind of incidents.
type kindWords struct{ Name, Tone, Advice string }

func words() map[string]kindWords {
	const port = "Look where the phone is; plugtone device enroll accepts its place."
	return map[string]kindWords{
		"other_server":      {"Another DHCP server", "bad", "Turn it off in this VLAN, or set dhcp.mode: inform here."},
		"conflict":          {"Address in use elsewhere", "bad", "Take the address out of the pool, or set the host to DHCP."},
		"other_pnp":         {"Another SIP PnP server", "warn", "Turn it off: phones may follow it."},
		"contradiction":     {"Contradicting evidence", "bad", "A host may pass itself off as a phone: look at its switch port."},
		"port_changed":      {"Another switch port", "warn", port},
		"frozen":            {"New phones are held back", "warn", "They came faster than allowed; enroll those that you expect."},
		"slowed":            {"Requests for many phones", "bad", "The requester is answered slowly. Find the host."},
		"shut_out":          {"Requests for many phones", "bad", "The requester gets no answer for a while. Find the host."},
		"step_up":           {"Without its credentials", "warn", "A factory reset does this; otherwise it is not the phone."},
		"many_phones":       {"Many phones at once", "bad", "One host may lease addresses as many phones: look at its switch port."},
		"second_lease":      {"Leases in two subnets", "warn", "The phone moved, or another host has its MAC."},
		"password_guessing": {"Password guessing", "bad", "Find the host."},
	}
}

func inWords(list []client.Incident) (out []incident) {
	all := words()
	for _, x := range list {
		w, ok := all[x.Kind]
		if !ok {
			w = kindWords{Name: x.Kind, Tone: "warn"}
		}
		if !x.UnderWay {
			w.Tone = "off"
		}
		out = append(out, incident{x, w.Name, w.Tone, w.Advice})
	}
	return out
}

// forecast returns when a subnet is full, in words with a tone.
func forecast(n client.Subnet) (text, tone string) {
	switch d := n.DaysUntilFull; {
	case n.Addresses == 0:
		return "", ""
	case n.Free == 0:
		return "full now", "bad"
	case d == nil && len(n.Peaks) < 3:
		return "after 3 days of use", "soft"
	case d == nil:
		return "not in sight", "soft"
	case *d <= 3:
		return "in " + page.Plural(*d, "day", "days"), "bad"
	case *d <= 14:
		return "in " + page.Plural(*d, "day", "days"), "warn"
	default:
		return "in " + page.Plural(*d, "day", "days"), ""
	}
}

// peaks returns the daily peaks of a subnet as a chart.
func peaks(n client.Subnet) *page.Chart {
	if len(n.Peaks) < 2 {
		return nil
	}
	day := func(i int) string {
		if i == len(n.Peaks)-1 {
			return "today"
		}
		return page.Plural(len(n.Peaks)-1-i, "day", "days") + " ago"
	}
	last := n.Peaks[len(n.Peaks)-1]
	c := page.NewChart(n.Peaks, n.Addresses, "Most leases at once, by day: "+page.Count(n.Peaks[0])+" "+day(0)+", "+page.Count(last)+" today, of "+page.Count(n.Addresses),
		func(i int) string { return day(i) + ": " + page.Count(n.Peaks[i]) })
	return &c
}
