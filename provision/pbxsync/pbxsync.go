// Package pbxsync writes what a PBX has into the records: its accounts as extensions, its devices and their profiles. What comes from a source carries
// its name, and is changed there only. Reading the PBX is the subject of package pbx.
package pbxsync

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxdevice"
	"plugtone/provision/resolve"
)

// Options control how a snapshot is written.
type Options struct {
	Source  string                                 // name of the source
	Domains map[string]string                      // SIP domain to registrar; "" for accounts without a domain
	Take    pbx.Take                               // what is written; nothing means extensions
	Prune   bool                                   // remove what the PBX has no more and no phone uses
	Force   bool                                   // also when more than a tenth of it would be gone
	DryRun  bool                                   // the write of the records stores nothing
	Packs   *pack.Set                              // for devices and profiles
	Render  func(f fleet.View, mac dhcp.MAC) error // why the files of a device can't be rendered; nil: not tried
	// LeftOut returns what devices do not get that they did not lack before; nil: it is not looked for.
	LeftOut func(f fleet.View, macs []dhcp.MAC) ([]resolve.LeftOutCount, error)
}

// SyncCounts is what a sync has done with records of one kind.
type SyncCounts struct {
	Added   int `json:"added" doc:"those that are new" example:"2"`
	Changed int `json:"changed" doc:"those of which the PBX has something else than before" example:"1"`
	Same    int `json:"same" doc:"those that were as they are in the PBX" example:"310"`
	Gone    int `json:"gone" doc:"those that the PBX has no more; they stay as they are" example:"0"`
	Removed int `json:"removed" doc:"those that were pruned" example:"0"`
}

func (c SyncCounts) String() string {
	return fmt.Sprintf("%d added, %d changed, %d the same, %d gone, %d removed", c.Added, c.Changed, c.Same, c.Gone, c.Removed)
}

func (c SyncCounts) touched() bool { return c.Added+c.Changed+c.Removed > 0 }

// SyncResult is what a sync has done.
type SyncResult struct {
	Added    int                 `json:"added" doc:"extensions that are new" example:"2"`
	Changed  int                 `json:"changed" doc:"extensions with another name, SIP user or password" example:"1"`
	Same     int                 `json:"same" doc:"extensions that were as they are in the PBX" example:"310"`
	Gone     int                 `json:"gone" doc:"extensions that the PBX has no more; their phones keep them" example:"0"`
	Removed  int                 `json:"removed" doc:"extensions that were pruned" example:"0"`
	Devices  *SyncCounts         `json:"devices,omitempty" doc:"devices, where the source takes them"`
	Profiles *SyncCounts         `json:"profiles,omitempty" doc:"profiles, where the source takes them"`
	Problems []pbx.SourceProblem `json:"problems" doc:"what could not be used"`
	// Phones are the devices whose record, profile or extension was changed.
	Phones  []dhcp.MAC             `json:"phones" doc:"devices that were changed, or have a line of an extension or a profile that was" example:"[\"00:15:65:12:34:56\"]"`
	LeftOut []resolve.LeftOutCount `json:"left_out,omitempty" doc:"what they do not get that they did not lack before, by vendor"`

	created []dhcp.MAC
}

// String prints the counts.
func (r SyncResult) String() string {
	text := fmt.Sprintf("%d added, %d changed, %d the same, %d gone, %d removed, %d problems, %d phones concerned",
		r.Added, r.Changed, r.Same, r.Gone, r.Removed, len(r.Problems), len(r.Phones))
	if r.Devices != nil {
		text += "; devices: " + r.Devices.String()
	}
	if r.Profiles != nil {
		text += "; profiles: " + r.Profiles.String()
	}
	return text
}

// touched reports whether a record was added, changed or removed.
func (r SyncResult) touched() bool {
	return r.Added+r.Changed+r.Removed > 0 || r.Devices != nil && r.Devices.touched() || r.Profiles != nil && r.Profiles.touched()
}

// ErrUnchanged is returned when the records are as the PBX has them already: nothing has to be written.
var ErrUnchanged = errors.New("nothing has changed")

// TooManyGone is the error of a sync that would lose more than a tenth of a source's records of one kind: a wrong database is more likely.
type TooManyGone struct {
	Kind     string // extension, device or profile
	Gone, Of int
}

func (e *TooManyGone) Error() string {
	return fmt.Sprintf("%d of %d %ss of the source are not in the PBX any more, which is more than a tenth; look at the source, then use force", e.Gone, e.Of, e.Kind)
}

// syncRun is one sync.
type syncRun struct {
	Options
	fleet.Edit
	out      *SyncResult
	seen     map[[2]string]bool
	changed  []*fleet.Extension
	wrote    bool
	keys     *pbxdevice.Keys
	devices  deviceSync
	profiles profileSync
	told     map[string]bool // problems that are reported once
}

// Apply brings the records of a source to what a snapshot has, in one edit.
func Apply(e fleet.Edit, s pbx.Snapshot, o Options) (SyncResult, error) {
	if o.Take == (pbx.Take{}) {
		o.Take.Extensions = true
	}
	out := SyncResult{Problems: slices.Clone(s.Problems)}
	run := &syncRun{Options: o, Edit: e, out: &out, seen: map[[2]string]bool{}, told: map[string]bool{}, keys: pbxdevice.NewKeys()}
	run.devices.syncRun, run.profiles.syncRun = run, run
	err := run.apply(s)
	if out.Problems == nil {
		out.Problems = []pbx.SourceProblem{}
	}
	if err == nil && !run.wrote {
		err = ErrUnchanged
	}
	return out, err
}

// apply writes accounts, then profiles, then devices, for each needs those before it. What has vanished is looked for in the other order.
func (s *syncRun) apply(snapshot pbx.Snapshot) error {
	s.compareTakes(snapshot)
	if s.Take.Extensions {
		for _, x := range snapshot.Extensions {
			if err := s.extension(x); err != nil {
				return err
			}
		}
	}
	s.devices.findHardware(snapshot.Devices)
	if s.Take.Profiles && snapshot.Profiles != nil {
		if err := s.profiles.allProfiles(snapshot); err != nil {
			return err
		}
	}
	if s.Take.Devices && snapshot.Devices != nil {
		if err := s.devices.allDevices(snapshot.Devices); err != nil {
			return err
		}
	}
	if s.out.Profiles != nil {
		if err := s.profiles.vanishedProfiles(); err != nil {
			return err
		}
	}
	if s.Take.Extensions {
		if err := s.vanished(); err != nil {
			return err
		}
	}
	if err := s.phones(); err != nil || s.LeftOut == nil {
		return err
	}
	var err error
	s.out.LeftOut, err = s.LeftOut(s, s.out.Phones)
	return err
}

// compareTakes reports what a PBX has pushed and the source does not take, and what it takes and was not pushed.
func (s *syncRun) compareTakes(snapshot pbx.Snapshot) {
	for _, x := range []struct {
		word        string
		takes, sent bool
	}{{"devices", s.Take.Devices, snapshot.Devices != nil}, {"profiles", s.Take.Profiles, snapshot.Profiles != nil}} {
		switch {
		case x.takes && !x.sent:
			s.report(x.word, "the PBX has not sent them, so that those of the source stay as they are: add --take %s to its pbx push", x.word)
		case x.sent && !x.takes:
			s.report(x.word, "the PBX has sent them, and the source does not take them: add %s to its take", x.word)
		}
	}
}

func (s *syncRun) report(record, format string, args ...any) {
	s.out.Problems = append(s.out.Problems, pbx.SourceProblem{Record: record, Message: fmt.Sprintf(format, args...)})
}

// same reports whether two records are stored alike.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// phones lists the devices that were changed, and those of the extensions and profiles that were.
func (s *syncRun) phones() error {
	s.out.Phones = []dhcp.MAC{}
	seen := map[dhcp.MAC]bool{}
	add := func(macs []dhcp.MAC, err error) error {
		for _, mac := range macs {
			if !seen[mac] {
				seen[mac] = true
				s.out.Phones = append(s.out.Phones, mac)
			}
		}
		return err
	}
	for _, x := range s.changed {
		if err := add(s.DevicesWith(x.Number, x.Registrar)); err != nil {
			return err
		}
	}
	for _, name := range s.profiles.changed {
		if err := add(fleet.DevicesUsing(s, name)); err != nil {
			return err
		}
	}
	return add(s.devices.changed, nil)
}
