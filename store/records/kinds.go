package records

import (
	"fmt"
	"strings"
	"time"

	"plugtone/provision/fleet"
)

// metadata are the members that Put sets.
type metadata struct {
	revision         *uint64
	created, updated *time.Time
}

// set gives the record other metadata and returns those that it had.
func (s metadata) set(to metadataValues) metadataValues {
	had := s.values()
	*s.revision, *s.created, *s.updated = to.revision, to.created, to.updated
	return had
}

func (s metadata) values() metadataValues {
	return metadataValues{*s.revision, *s.created, *s.updated}
}

type metadataValues struct {
	revision         uint64
	created, updated time.Time
}

// The kinds of record that operators enter.
var (
	deviceKind = kind[fleet.Device]{"device", tableDevices, macName, decodeDevice, encodeDevice,
		func(d *fleet.Device) metadata { return metadata{&d.Revision, &d.CreatedAt, &d.UpdatedAt} }}
	extensionKind = kind[fleet.Extension]{"extension", tableExtensions, accountName, decodeExtension, encodeExtension,
		func(e *fleet.Extension) metadata { return metadata{&e.Revision, &e.CreatedAt, &e.UpdatedAt} }}
	registrarKind = kind[fleet.Registrar]{"registrar", tableRegistrars, plainName, decodeRegistrar, encodeRegistrar,
		func(r *fleet.Registrar) metadata { return metadata{&r.Revision, &r.CreatedAt, &r.UpdatedAt} }}
	profileKind = kind[fleet.Profile]{"profile", tableProfiles, plainName, decodeProfile, encodeProfile,
		func(p *fleet.Profile) metadata { return metadata{&p.Revision, &p.CreatedAt, &p.UpdatedAt} }}
)

// maxName bounds what becomes part of a key.
const maxName = 255

// checkName refuses what can't be part of a key.
func checkName(field, name string) error {
	switch {
	case len(name) > maxName:
		return fleet.ValidationError{{Field: field, Value: name, Message: fmt.Sprintf("is %d bytes long; at most %d are allowed", len(name), maxName)}}
	case strings.ContainsRune(name, 0):
		return fleet.ValidationError{{Field: field, Value: name, Message: "has a NUL character in it"}}
	}
	return nil
}

// checkKey is checkName for names that must not be empty.
func checkKey(field, name string) error {
	if name == "" {
		return fleet.ValidationError{{Field: field, Message: "must not be empty"}}
	}
	return checkName(field, name)
}
