package pbx

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"plugtone/provision/setting"
)

// maxIncludes bounds how deep #include may nest.
const maxIncludes = 16

// section is one section of a file in Asterisk's format: [name](!,template,+).
type section struct {
	name     string
	template bool
	values   [][2]string // in order; a later one counts
}

func (s *section) value(name string) string {
	for i := len(s.values) - 1; i >= 0; i-- {
		if strings.EqualFold(s.values[i][0], name) {
			return s.values[i][1]
		}
	}
	return ""
}

// asteriskFile is the sections of a file and its includes. A name may be there several times: pjsip.conf has an endpoint, an auth and an aor of
// one name.
type asteriskFile struct {
	sections []*section
}

// find returns the last section with a name, of a type where that is given; nil without one.
func (f *asteriskFile) find(name, typ string) *section {
	for i := len(f.sections) - 1; i >= 0; i-- {
		if s := f.sections[i]; s.name == name && (typ == "" || s.value("type") == typ) {
			return s
		}
	}
	return nil
}

// read parses a file and, in their place, the files that it includes. Relative includes are in the folder of the first file, as with Asterisk.
func (f *asteriskFile) read(path, dir string, depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: includes nest deeper than %d", path, maxIncludes)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	in.Buffer(nil, 1<<20)
	comment := false
	for n := 1; in.Scan(); n++ {
		line := withoutComment(in.Text(), &comment)
		if name, ok := includeOf(line); ok {
			if err := f.include(name, dir, depth); err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
			continue
		}
		if err := f.line(line); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return in.Err()
}

// withoutComment removes ; comments, also those between ;-- and --;. An escaped semicolon is a character.
func withoutComment(line string, inside *bool) string {
	if *inside {
		_, after, ok := strings.Cut(line, "--;")
		if !ok {
			return ""
		}
		*inside, line = false, after
	}
	for i := 0; i < len(line); i++ {
		if line[i] != ';' || i > 0 && line[i-1] == '\\' {
			continue
		}
		if strings.HasPrefix(line[i:], ";--") && !strings.HasPrefix(line[i:], ";---") {
			*inside = true
			return strings.TrimSpace(line[:i] + withoutComment(line[i+3:], inside))
		}
		line = line[:i]
	}
	return strings.ReplaceAll(strings.TrimSpace(line), `\;`, ";")
}

func includeOf(line string) (name string, ok bool) {
	for _, word := range []string{"#include", "#tryinclude"} {
		if rest, found := strings.CutPrefix(line, word); found {
			return strings.Trim(strings.TrimSpace(rest), `"<>`), true
		}
	}
	return "", false
}

func (f *asteriskFile) include(name, dir string, depth int) error {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	found, err := filepath.Glob(name)
	if err != nil {
		return err
	}
	for _, path := range found {
		if err := f.read(path, dir, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (f *asteriskFile) line(line string) error {
	switch {
	case line == "" || line[0] == '#': // #exec runs a program: not here
		return nil
	case line[0] == '[':
		return f.begin(line)
	case len(f.sections) == 0:
		return nil
	}
	name, value, ok := strings.Cut(line, "=")
	if !ok {
		return nil
	}
	s := f.sections[len(f.sections)-1]
	s.values = append(s.values, [2]string{strings.TrimSpace(name), strings.TrimSpace(strings.TrimPrefix(value, ">"))})
	return nil
}

// begin begins a section: [name], [name](!) a template, [name](a,b) with the values of templates, [name](+) goes on with the one before.
func (f *asteriskFile) begin(line string) error {
	name, rest, ok := strings.Cut(line[1:], "]")
	if !ok {
		return fmt.Errorf("%q: a section begins with [ and its name ends with ]", line)
	}
	s := &section{name: name}
	if options := strings.Trim(strings.TrimSpace(rest), "()"); options != "" {
		for option := range strings.SplitSeq(options, ",") {
			switch option = strings.TrimSpace(option); option {
			case "!":
				s.template = true
			case "+":
				if before := f.find(name, ""); before != nil {
					f.sections = append(f.sections, before) // its values are added to
					return nil
				}
			default:
				if from := f.find(option, ""); from != nil {
					s.values = append(s.values, from.values...)
				}
			}
		}
	}
	f.sections = append(f.sections, s)
	return nil
}

// readAsteriskFiles reads pjsip.conf, pjsip_wizard.conf and sip.conf, each by its contents.
func readAsteriskFiles(_ context.Context, s Source) (Snapshot, error) {
	var out Snapshot
	files, err := matches(s.Files)
	if err != nil {
		return out, err
	}
	for _, path := range files {
		f := &asteriskFile{}
		if err := f.read(path, filepath.Dir(path), 0); err != nil {
			return out, err
		}
		f.accounts(&out)
	}
	return out, nil
}

// accounts adds the accounts of a file.
func (f *asteriskFile) accounts(out *Snapshot) {
	seen := map[*section]bool{}
	for _, s := range f.sections {
		if s.template || seen[s] {
			continue
		}
		seen[s] = true
		switch typ := s.value("type"); {
		case typ == "endpoint" && s.value("auth") != "":
			f.endpoint(out, s)
		case typ == "wizard" && isTrue(s.value("accepts_registrations")):
			user := s.value("inbound_auth/username")
			out.add(Account{Number: s.name, AuthUser: user, DisplayName: callerName(s.value("endpoint/callerid")), Password: setting.Secret(s.value("inbound_auth/password"))})
		case (typ == "friend" || typ == "peer") && s.value("host") == "dynamic": // sip.conf: chan_sip
			out.add(Account{Number: s.name, AuthUser: s.value("defaultuser"), DisplayName: callerName(s.value("callerid")), Password: setting.Secret(s.value("secret"))})
		}
	}
}

// endpoint adds an endpoint of pjsip.conf with the auth that it names.
func (f *asteriskFile) endpoint(out *Snapshot, s *section) {
	auth := f.find(s.value("auth"), "auth")
	if auth == nil {
		out.add(Account{Number: s.name, Unusable: "there is no section of type auth called " + s.value("auth")})
		return
	}
	if auth.value("auth_type") == "md5" || auth.value("md5_cred") != "" && auth.value("password") == "" {
		out.add(Account{Number: s.name, Unusable: "its password is stored as MD5 only, so no phone can be given it"})
		return
	}
	out.add(Account{Number: s.name, AuthUser: auth.value("username"), DisplayName: callerName(s.value("callerid")), Password: setting.Secret(auth.value("password"))})
}
