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

func TestTheStateAtThePBXIsShownWhereItIsKnown(t *testing.T) {
	s := webtest.New(t)
	b := s.Plain(t, "viewer")
	b.Open("/phones")
	b.Lacks("thead", "At the PBX")
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
	b.Sees("At the PBX")
	b.Sees("Not registered")
}
