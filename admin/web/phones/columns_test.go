package phones_test

import (
	"net/netip"
	"net/url"
	"testing"

	"plugtone/admin/web/webtest"
	"plugtone/provision/deviceindex"
	"plugtone/provision/registration"
)

func TestColumnsAreChosenAndRemembered(t *testing.T) {
	b := webtest.New(t).Plain(t, "viewer")
	b.Open("/phones")
	b.Sees("Firmware")
	b.Lacks("thead", "Serial number")
	b.Open("/phones?" + url.Values{"col": {"label", "serial"}}.Encode())
	b.Lacks("thead", "Firmware")
	b.Open("/phones")
	b.Lacks("thead", "Firmware")
}

func TestEveryColumnIsThereAndSorts(t *testing.T) {
	b := webtest.New(t).As(t, "viewer")
	b.Open("/phones")
	b.WaitText("thead", "Switch port") // the office's switches name their ports
	b.Open("/phones?" + url.Values{"col": {"state", "registered", "label", "lines", "mac", "model", "vendor", "profile", "location", "tags", "ip", "port", "firmware", "fetched", "seen", "serial", "source", "notes"}}.Encode())
	b.WaitFor(`document.querySelectorAll("thead th").length == 18 && [...document.querySelectorAll("thead th")].every(h => h.querySelector("a[href*=sort]"))`)
	b.Wait(`button[data-copy="00:15:65:10:00:00"]`)
	for _, sort := range []string{"switch_port", "tags", "serial", "notes", "registered"} {
		b.Click(`thead a[href*="sort=` + sort + `"]`)
		b.WaitFor(`location.search.includes("sort=` + sort + `") && document.querySelectorAll("thead [aria-sort]").length == 1`)
	}
	b.Click(`thead a[href*="sort=switch_port"]`)
	b.WaitFor(`location.search.includes("sort=switch_port")`)
	b.Click(`thead a[href*="sort=-switch_port"]`)
	b.WaitText("tbody tr:first-child", "switch-2 Gi1/0/9")
}

func TestTheStateAtThePBXIsShownWhereItIsKnown(t *testing.T) {
	s := webtest.New(t)
	b := s.Plain(t, "viewer")
	b.Open("/phones")
	b.Lacks("thead", "Registered")
	s.Config.API.Index = deviceindex.New(deviceindex.Config{Records: s.Config.API.Records, Packs: s.Config.API.Packs, Site: s.Config.API.Site, Compute: s.Service.States().Of, Now: s.Config.API.Now,
		Registration: func(accounts []registration.Account, _ netip.Addr) (out []registration.LineState) {
			for _, a := range accounts {
				out = append(out, registration.LineState{Position: a.Position, Extension: a.Number, State: "not_registered"})
			}
			return out
		}})
	s.Restart(t)
	b = s.Plain(t, "viewer")
	b.Open("/phones")
	b.Sees("Registered")
	b.Sees("Not registered")
}
