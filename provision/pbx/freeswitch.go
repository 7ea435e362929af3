package pbx

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plugtone/provision/setting"
)

// nameValue is one param or variable of FreeSWITCH's directory.
type nameValue struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

func valueOf(list []nameValue, name string) string {
	for _, v := range list {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// directoryUser is a user of FreeSWITCH's directory.
type directoryUser struct {
	ID        string      `xml:"id,attr"`
	Params    []nameValue `xml:"params>param"`
	Variables []nameValue `xml:"variables>variable"`
}

// readFreeSWITCH reads users from the XML files of FreeSWITCH's directory: each file has a user, or a document around users. Files are read as they
// are: the preprocessor's includes are given as files, and a value with $${} is reported.
func readFreeSWITCH(_ context.Context, s Source) (Snapshot, error) {
	var out Snapshot
	files, err := matches(s.Files)
	if err != nil {
		return out, err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return out, err
		}
		if err := readDirectory(b, &out); err != nil {
			out.Problems = append(out.Problems, SourceProblem{file, err.Error()})
		}
	}
	return out, nil
}

func readDirectory(b []byte, out *Snapshot) error {
	d := xml.NewDecoder(strings.NewReader(string(b)))
	d.Strict = false // X-PRE-PROCESS is between the elements
	domain := ""
	for {
		t, err := d.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "domain":
			for _, a := range start.Attr {
				if a.Name.Local == "name" && !strings.Contains(a.Value, "$${") {
					domain = a.Value
				}
			}
		case "user":
			var u directoryUser
			if err := d.DecodeElement(&u, &start); err != nil {
				return err
			}
			addDirectoryUser(out, domain, u)
		}
	}
}

func addDirectoryUser(out *Snapshot, domain string, u directoryUser) {
	if u.ID == "" || len(u.Params) == 0 { // a pointer within a group
		return
	}
	password := valueOf(u.Params, "password")
	if strings.Contains(password, "$${") {
		out.add(Account{Domain: domain, Number: u.ID, Unusable: "its password is a variable of vars.xml: write it into the user's file"})
		return
	}
	out.add(Account{Domain: domain, Number: u.ID, DisplayName: valueOf(u.Variables, "effective_caller_id_name"), Password: setting.Secret(password)})
}

// matches returns the files that patterns name, without repetition. A pattern without a file is an error.
func matches(patterns []string) ([]string, error) {
	var out []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("files: %q: %w", p, err)
		}
		if len(found) == 0 {
			return nil, errors.New("files: " + p + ": there is no such file, or it can't be read")
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
