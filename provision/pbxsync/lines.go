package pbxsync

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/setting"
)

// setLines sets the lines: those of the PBX, and those that were set by hand at other positions.
func (s *deviceSync) setLines(x pbx.SourceDevice, d *deviceDraft) error {
	old := d.rec.Lines
	d.rec.Lines = nil
	for _, l := range x.Lines {
		name := fleet.LineMember(l.Position)
		if d.owns(name) {
			s.problem(x, "line %d is there twice; the first one counts", l.Position)
			continue
		}
		line, err := s.line(x, l)
		if err != nil {
			return err
		}
		if line != nil {
			d.rec.Lines = append(d.rec.Lines, *line)
			d.own(name)
		}
	}
	for _, l := range old {
		if name := fleet.LineMember(l.Position); !d.had(name) && !d.owns(name) {
			d.rec.Lines = append(d.rec.Lines, l)
		}
	}
	return nil
}

// line converts one line; nil is a problem, which is reported.
func (s *deviceSync) line(x pbx.SourceDevice, l pbx.SourceLine) (*fleet.Line, error) {
	registrar, err := s.registrarOf(l.Domain)
	if err != nil {
		return nil, err
	}
	if registrar == nil {
		s.problem(x, "line %d is left out: no registrar is known for the domain %q; name it in domains, or set the line here", l.Position, l.Domain)
		return nil, nil
	}
	if _, err := s.Extension(l.Number, registrar.Name); errors.Is(err, fleet.ErrNotFound) {
		s.problem(x, "line %d is left out: there is no extension %s@%s with a password; add it here, or set the line here", l.Position, l.Number, registrar.Name)
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	out := &fleet.Line{Position: l.Position, Extension: l.Number, Registrar: registrar.Name, Label: l.Label, Shared: l.Shared}
	if l.Disabled {
		out.Enabled = new(bool)
	}
	if o := s.override(x, l, registrar); o != (fleet.RegistrarOverride{}) {
		out.Override = &o
	}
	return out, nil
}

// registrarOf finds the registrar of a line's domain; nil when there is none.
func (s *deviceSync) registrarOf(domain string) (*fleet.Registrar, error) {
	if r, ok := s.registrars[domain]; ok {
		return r, nil
	}
	name, named := s.Domains[domain]
	var only []*fleet.Registrar
	var found *fleet.Registrar
	for r, err := range s.Registrars() {
		if err != nil {
			return nil, err
		}
		only = append(only, r)
		switch {
		case named && r.Name == name, !named && domain != "" && r.Name == domain:
			found = r
		case !named && found == nil && domain != "" && (r.SIPDomain == domain || r.Host == domain):
			found = r
		}
	}
	if !named && domain == "" && len(only) == 1 {
		found = only[0]
	}
	if s.registrars == nil {
		s.registrars = map[string]*fleet.Registrar{}
	}
	s.registrars[domain] = found
	return found, nil
}

// override returns what of a line's server differs from the registrar.
func (s *deviceSync) override(x pbx.SourceDevice, l pbx.SourceLine, r *fleet.Registrar) (o fleet.RegistrarOverride) {
	if l.Server != r.Host && l.Server != r.SIPDomain && l.Server != l.Domain {
		o.Host = l.Server
	}
	if t := strings.ToLower(l.Transport); t != "" && t != r.Transport {
		if o.Transport = t; !slices.Contains(fleet.Transports(), t) {
			o.Transport = ""
			s.problem(x, "line %d: its transport %q must be one of udp, tcp, tls; the registrar's counts", l.Position, l.Transport)
		}
	}
	if port := s.number(x, l, "port", l.Port, 65535); port != 0 && port != o.Apply(*r).Port {
		o.Port = port
	}
	if l.OutboundProxy != "" && l.OutboundProxy != r.OutboundProxy {
		o.OutboundProxy = l.OutboundProxy
	}
	if n := s.number(x, l, "registration time", l.Expires, 7*24*3600); n != 0 {
		if e := setting.Duration(time.Duration(n) * time.Second); e != r.RegisterExpires {
			o.RegisterExpires = e
		}
	}
	s.backup(r, "server", "backup_host", l.BackupServer, r.BackupHost)
	s.backup(r, "outbound proxy", "backup_outbound_proxy", l.BackupOutboundProxy, r.BackupOutboundProxy)
	return o
}

// number reads a number of a line; 0 when there is none.
func (s *deviceSync) number(x pbx.SourceDevice, l pbx.SourceLine, what, text string, most int) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		s.problem(x, "line %d: its %s %.20q is not a number from 0 to %d; the registrar's counts", l.Position, what, text, most)
		return 0
	}
	return n
}

// backup reports, once for all lines, a second server that the registrar does not have: a line has none of its own.
func (s *deviceSync) backup(r *fleet.Registrar, what, member, has, registrar string) {
	message := fmt.Sprintf("lines have the second %s %.100q, which a line can't have: set %s of the registrar", what, has, member)
	if has != "" && has != registrar && !s.told[r.Name+message] {
		s.told[r.Name+message] = true
		s.report("registrar "+r.Name, "%s", message)
	}
}
