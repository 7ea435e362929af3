package pbxsync

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/setting"
)

func (s *syncRun) problem(about fmt.Stringer, format string, args ...any) {
	s.report(about.String(), format, args...)
}

// extension writes one account, unless it is as it should be.
func (s *syncRun) extension(x pbx.Account) error {
	registrar, err := s.registrar(x)
	if err != nil || registrar == "" {
		return err
	}
	key := [2]string{x.Number, registrar}
	if s.seen[key] {
		s.problem(x, "is there twice for the registrar %s; the first one counts", registrar)
		return nil
	}
	old, err := s.Extension(x.Number, registrar)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	if err != nil {
		old = nil
	}
	if old != nil && old.Source != "" && old.Source != s.Source {
		s.problem(x, "belongs to the source %s", old.Source)
		return nil
	}
	if why := x.Problem(); why != "" { // one that is in the records keeps what it has: the PBX has it still
		s.problem(x, "%s", why)
		s.seen[key] = old != nil
		return nil
	}
	rec := fleet.Extension{Number: x.Number, Registrar: registrar}
	if old != nil {
		rec = *old
	}
	rec.DisplayName, rec.AuthUser, rec.Password, rec.Source, rec.Gone = x.DisplayName, x.AuthUser, x.Password, s.Source, false
	if err := fleet.CheckExtension(s, &rec); err != nil {
		var invalid fleet.ValidationError
		if !errors.As(err, &invalid) {
			return err
		}
		s.problem(x, "%s", strings.ReplaceAll(invalid.Error(), "\n", "; "))
		if old != nil && old.Source == s.Source {
			s.seen[key] = true // it is not gone
		}
		return nil
	}
	s.seen[key] = true
	switch {
	case old != nil && *old == rec:
		s.out.Same++
		return nil
	case old == nil:
		s.out.Added++
	default:
		s.out.Changed++
	}
	return s.put(&rec)
}

func (s *syncRun) put(x *fleet.Extension) error {
	s.wrote = true
	s.changed = append(s.changed, x)
	return s.PutExtension(x)
}

// registrar returns the registrar of an account's domain. One of the domain's own name is made when none is named. "" is a problem, which is
// reported.
func (s *syncRun) registrar(x pbx.Account) (string, error) {
	name, named := s.Domains[x.Domain]
	switch {
	case !named && x.Domain == "":
		var only []string
		for r, err := range s.Registrars() {
			if err != nil {
				return "", err
			}
			only = append(only, r.Name)
		}
		if len(only) != 1 {
			s.problem(x, "has no SIP domain, and there are %d registrars: name the one in domains, as \"\": NAME", len(only))
			return "", nil
		}
		return only[0], nil
	case !named:
		name = x.Domain
	}
	_, err := s.Registrar(name)
	switch {
	case err == nil:
		return name, nil
	case !errors.Is(err, fleet.ErrNotFound):
		return "", err
	case named:
		s.problem(x, "its domain is for the registrar %s, which does not exist", name)
		return "", nil
	}
	r := fleet.Registrar{Name: name, Host: name, RegisterExpires: setting.Duration(time.Hour)}
	if err := fleet.CheckRegistrar(&r); err != nil {
		s.problem(x, "no registrar can be made of its domain: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		return "", nil
	}
	s.wrote = true
	return name, s.PutRegistrar(&r)
}

// vanished marks the extensions of the source that the snapshot has not, or removes them.
func (s *syncRun) vanished() error {
	var lost []*fleet.Extension
	all, fresh := 0, 0
	for x, err := range s.Extensions() {
		if err != nil {
			return err
		}
		if x.Source != s.Source {
			continue
		}
		if all++; s.seen[[2]string{x.Number, x.Registrar}] {
			continue
		}
		lost = append(lost, x)
		if !x.Gone {
			fresh++
		}
	}
	if before := all - s.out.Added; fresh*10 > before && !s.Force {
		return &TooManyGone{fleet.KindExtension, fresh, before}
	}
	for _, x := range lost {
		if err := s.lose(x); err != nil {
			return err
		}
	}
	return nil
}

func (s *syncRun) lose(x *fleet.Extension) error {
	users, err := s.DevicesWith(x.Number, x.Registrar)
	if err != nil {
		return err
	}
	if s.Prune && len(users) == 0 {
		s.out.Removed++
		s.wrote = true
		return s.DeleteExtension(x.Number, x.Registrar)
	}
	s.out.Gone++
	if s.Prune {
		s.problem(pbx.Account{Number: x.Number}, "is not in the PBX any more, and %d phones have a line of it: it stays", len(users))
	}
	if x.Gone {
		return nil
	}
	x.Gone = true
	s.wrote = true // its phones' files do not change
	return s.PutExtension(x)
}
