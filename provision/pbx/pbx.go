// Package pbx reads extensions, and devices with their profiles where there are any, from PBXs: from their databases, their configuration files, or what a PBX has pushed. A read is one snapshot,
// changes nothing there, and reports what it can't use. Package pbxsync writes the result into the records.
//
// Tables, columns and files are those that FusionPBX 4 and 5, FS PBX, FreePBX 16, OSS Endpoint Manager, Asterisk 18 to 22, Kamailio 5 and FreeSWITCH 1.10
// have.
package pbx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plugtone/provision/setting"
)

// Account is one account of a PBX.
type Account struct {
	Domain      string         `json:"domain,omitempty" doc:"SIP domain of the account" example:"pbx.example.com"`
	Number      string         `json:"number" doc:"number of the extension" example:"1001"`
	DisplayName string         `json:"display_name,omitempty" doc:"name that called phones show" example:"Front Desk"`
	AuthUser    string         `json:"auth_user,omitempty" doc:"user for SIP authentication, unless it is the number" example:"1001"`
	Password    setting.Secret `json:"password" doc:"SIP password; empty when the PBX has none in clear" example:"correct-horse-battery"`
	Unusable    string         `json:"unusable,omitempty" doc:"why no phone can be given the account; absent for one that can be used" example:"its password is stored as MD5 only, so no phone can be given it"`
}

// String returns the account as problems name it.
func (a Account) String() string {
	if a.Domain == "" {
		return "extension " + a.Number
	}
	return "extension " + a.Number + "@" + a.Domain
}

// Problem returns why the account can't be used, "" for one that can: a phone that is given an empty password never registers.
func (a Account) Problem() string {
	if a.Unusable == "" && a.Password.Reveal() == "" {
		return "has no password in clear, so no phone can be given it"
	}
	return a.Unusable
}

// SourceProblem is something of a PBX that could not be used.
type SourceProblem struct {
	Record  string `json:"record" doc:"what it is about: an extension with its domain, a table or a file" example:"extension 1001@pbx.example.com"`
	Message string `json:"message" doc:"what is wrong, and what to do" example:"has no password"`
}

func (p SourceProblem) String() string { return p.Record + ": " + p.Message }

// Snapshot is what a PBX had at one time.
type Snapshot struct {
	Server     string          `json:"server,omitempty" doc:"version of the server that was read" example:"PostgreSQL 15.8"`
	Extensions []Account       `json:"extensions" doc:"its accounts, those that can't be used too"`
	Devices    []SourceDevice  `json:"devices,omitzero" doc:"its devices; absent when they were not read, which leaves those of the records as they are"`
	Profiles   []SourceProfile `json:"profiles,omitzero" doc:"its device profiles; absent when they were not read"`
	Problems   []SourceProblem `json:"problems" doc:"what could not be used"`
}

// add takes an account. One without a number is none.
func (s *Snapshot) add(a Account) {
	if a.AuthUser == a.Number {
		a.AuthUser = ""
	}
	if a.Number != "" {
		s.Extensions = append(s.Extensions, a)
	}
}

// Usable counts the accounts that phones can be given.
func (s *Snapshot) Usable() (n int) {
	for _, a := range s.Extensions {
		if a.Problem() == "" {
			n++
		}
	}
	return n
}

// Source describes where a PBX is read from.
type Source struct {
	Type         string   // one of Types
	DSN          string   // of a database: postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE
	PasswordFile string   // the password of its user; "" for none
	Files        []string // of asterisk-files and freeswitch-xml
	Take         Take     // what is read beside extensions
}

// Pushed is the type of a source that is not read: the PBX sends what it has.
const Pushed = "push"

// from is what a type of source is read from.
type from int

const (
	fromNothing from = iota
	fromDatabase
	fromFiles
)

// types are the readers, by the name of their type. Those with devices have profiles too.
var types = map[string]struct {
	from    from
	devices bool
	read    func(context.Context, Source) (Snapshot, error)
}{
	"fusionpbx":         {fromDatabase, true, readFusionPBX},
	"fspbx":             {fromDatabase, true, readFusionPBX},
	"freepbx":           {fromDatabase, true, readFreePBX},
	"asterisk-realtime": {fromDatabase, false, readRealtime},
	"kamailio":          {fromDatabase, false, readKamailio},
	"asterisk-files":    {fromFiles, false, readAsteriskFiles},
	"freeswitch-xml":    {fromFiles, false, readFreeSWITCH},
	Pushed: {fromNothing, true, func(context.Context, Source) (Snapshot, error) {
		return Snapshot{}, errors.New("this source is not read: the PBX pushes what it has, by plugtone pbx push")
	}},
}

// Types lists the types of sources.
func Types() []string {
	var out []string
	for name := range types {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Validate returns an error that names what the source lacks.
func (s Source) Validate() error {
	t, ok := types[s.Type]
	switch {
	case !ok:
		return fmt.Errorf("type %q must be one of %s", s.Type, strings.Join(Types(), ", "))
	case t.from == fromDatabase && s.DSN == "":
		return fmt.Errorf("a source of the type %s needs a dsn, such as postgres://reader@pbx.example.com/fusionpbx", s.Type)
	case t.from == fromFiles && len(s.Files) == 0:
		return fmt.Errorf("a source of the type %s needs files", s.Type)
	case (s.Take.Devices || s.Take.Profiles) && !t.devices:
		return fmt.Errorf("a source of the type %s has extensions only: take can't name devices or profiles", s.Type)
	}
	if t.from == fromDatabase {
		_, err := parseDSN(s.DSN)
		return err
	}
	return nil
}

// Read returns what the PBX has now.
func (s Source) Read(ctx context.Context) (Snapshot, error) {
	if err := s.Validate(); err != nil {
		return Snapshot{}, err
	}
	return types[s.Type].read(ctx, s)
}
