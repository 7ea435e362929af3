package phonefile

import (
	"slices"
	"testing"

	"plugtone/provision/fleet"
)

// Where the server is the SIP domain too, a domain other than the host is the server, and the hosts are outbound proxies.
func TestDomainTakesThePlaceOfTheHost(t *testing.T) {
	plain := fleet.Registrar{Host: "pbx.example.com", Port: 5080, Transport: "tls"}
	with := func(change func(*fleet.Registrar)) fleet.Registrar {
		r := plain
		change(&r)
		return r
	}
	m := &Model{DomainAsHost: true}
	for name, tt := range map[string]struct{ registrar, want fleet.Registrar }{
		"none":         {plain, plain},
		"the host's":   {with(func(r *fleet.Registrar) { r.SIPDomain = r.Host }), with(func(r *fleet.Registrar) { r.SIPDomain = r.Host })},
		"domain alone": {with(func(r *fleet.Registrar) { r.SIPDomain = "example.org" }), fleet.Registrar{SIPDomain: "example.org", Host: "example.org", Port: 5061, Transport: "tls", OutboundProxy: "pbx.example.com:5080"}},
		"backup host": {with(func(r *fleet.Registrar) { r.SIPDomain, r.BackupHost = "example.org", "b.example.com:5090" }), fleet.Registrar{SIPDomain: "example.org", Host: "example.org", Port: 5061, Transport: "tls",
			OutboundProxy: "pbx.example.com:5080", BackupOutboundProxy: "b.example.com:5090"}},
		"outbound proxies": {with(func(r *fleet.Registrar) {
			r.SIPDomain, r.OutboundProxy, r.BackupOutboundProxy, r.Transport = "example.org", "edge", "edge2", "udp"
		}), fleet.Registrar{SIPDomain: "example.org", Host: "example.org", Port: 5060, Transport: "udp", OutboundProxy: "edge", BackupOutboundProxy: "edge2"}},
	} {
		if got := m.serverOf(Account{Registrar: tt.registrar}); got.Host != tt.want.Host || got.Port != tt.want.Port || got.OutboundProxy != tt.want.OutboundProxy ||
			got.BackupHost != tt.want.BackupHost || got.BackupOutboundProxy != tt.want.BackupOutboundProxy {
			t.Errorf("%s: %+v", name, got)
		}
		if got := (&Model{}).serverOf(Account{Registrar: tt.registrar}); got.Host != plain.Host || got.OutboundProxy != tt.registrar.OutboundProxy {
			t.Errorf("%s, domain and host apart: %+v", name, got)
		}
	}
}

// A backup host that would have to be a second outbound proxy is named as left out by files without one.
func TestDomainAsHostLeftOut(t *testing.T) {
	m := &Model{Name: "M1", DomainAsHost: true, Lacks: Lacks{Lines: map[string]LackList{"backup_outbound_proxy": {{Numbers: Span{First: 1}}}}}}
	line := Account{Position: 1, Number: "1001", Registrar: fleet.Registrar{Host: "a.example.com", Port: 5060, BackupHost: "b.example.com", SIPDomain: "example.org"}}
	if got, want := m.LinesLeftOut([]Account{line}), []string{"line 1: M1 has no place for the backup outbound proxy b.example.com:5060"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	line.Registrar.SIPDomain = ""
	if got := m.LinesLeftOut([]Account{line}); got != nil {
		t.Errorf("%q", got)
	}
}
