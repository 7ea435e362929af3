// Package pbxsync writes the accounts that a PBX has into the extensions of the records. What comes from a source carries its name, and is
// changed there only. Reading the PBX is the subject of package pbx.
package pbxsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/setting"
)

// Options control how a snapshot is written.
type Options struct {
	Source  string            // name of the source
	Domains map[string]string // SIP domain to registrar; "" for accounts without a domain
	Prune   bool              // remove extensions that the PBX has no more and no phone uses
	Force   bool              // also when more than a tenth of them would be gone
	DryRun  bool              // the write of the records stores nothing
}

// SyncResult is what a sync has done.
type SyncResult struct {
	Added    int                 `json:"added" doc:"extensions that are new" example:"2"`
	Changed  int                 `json:"changed" doc:"extensions with another name, SIP user or password" example:"1"`
	Same     int                 `json:"same" doc:"extensions that were as they are in the PBX" example:"310"`
	Gone     int                 `json:"gone" doc:"extensions that the PBX has no more; their phones keep them" example:"0"`
	Removed  int                 `json:"removed" doc:"extensions that were pruned" example:"0"`
	Problems []pbx.SourceProblem `json:"problems" doc:"what could not be used"`
	// Phones are the devices that have a line of an extension that was changed.
	Phones []dhcp.MAC `json:"phones" doc:"devices with a line of an extension that was changed" example:"[\"00:15:65:12:34:56\"]"`
}

// String prints the counts.
func (r SyncResult) String() string {
	return fmt.Sprintf("%d added, %d changed, %d the same, %d gone, %d removed, %d problems, %d phones concerned",
		r.Added, r.Changed, r.Same, r.Gone, r.Removed, len(r.Problems), len(r.Phones))
}

// ErrUnchanged is returned when the records are as the PBX has them already: nothing has to be written.
var ErrUnchanged = errors.New("nothing has changed")

// TooManyGone is the error of a sync that would lose more than a tenth of a source's extensions: a wrong database is more likely.
type TooManyGone struct{ Gone, Of int }

func (e *TooManyGone) Error() string {
	return fmt.Sprintf("%d of %d extensions of the source are not in the PBX any more, which is more than a tenth; look at the source, then use force", e.Gone, e.Of)
}

// syncRun is one sync.
type syncRun struct {
	Options
	fleet.Edit
	out     *SyncResult
	seen    map[[2]string]bool
	changed []*fleet.Extension
	wrote   bool
}

// Apply brings the extensions of a source to what a snapshot has, in one edit.
func Apply(e fleet.Edit, s pbx.Snapshot, o Options) (SyncResult, error) {
	out := SyncResult{Problems: slices.Clone(s.Problems)}
	run := &syncRun{Options: o, Edit: e, out: &out, seen: map[[2]string]bool{}}
	for _, x := range s.Extensions {
		if err := run.extension(x); err != nil {
			return out, err
		}
	}
	if err := run.vanished(); err != nil {
		return out, err
	}
	if out.Problems == nil {
		out.Problems = []pbx.SourceProblem{}
	}
	if err := run.phones(); err != nil {
		return out, err
	}
	if !run.wrote {
		return out, ErrUnchanged
	}
	return out, nil
}

func (s *syncRun) problem(about fmt.Stringer, format string, args ...any) {
	s.out.Problems = append(s.out.Problems, pbx.SourceProblem{Record: about.String(), Message: fmt.Sprintf(format, args...)})
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
		return &TooManyGone{fresh, before}
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

// phones lists the devices of the extensions that were changed.
func (s *syncRun) phones() error {
	s.out.Phones = []dhcp.MAC{}
	seen := map[dhcp.MAC]bool{}
	for _, x := range s.changed {
		macs, err := s.DevicesWith(x.Number, x.Registrar)
		if err != nil {
			return err
		}
		for _, mac := range macs {
			if !seen[mac] {
				seen[mac] = true
				s.out.Phones = append(s.out.Phones, mac)
			}
		}
	}
	return nil
}
