package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestCommandsOfTrustAnswerAndRefuse(t *testing.T) {
	s := newShell(t)
	s.office()
	for _, tt := range []struct {
		line     string
		status   int
		out, err string
	}{
		{"device enroll " + desk + " --for 30m --from 198.51.100.0/24", 0, `files of ` + desk + ` need no proof from 198\.51\.100\.0/24 until `, ""},
		{"device enroll --all --for 30m --json", 0, `"until"`, ""},
		{"device enroll --for 30m", 2, "", `name phones by MAC, --where or --stdin, or every phone by --all`},
		{"device enroll " + desk + " --all --for 30m", 2, "", `name phones by MAC, --where or --stdin, or every phone by --all`},
		{"device enroll --where label=*desk* --all --for 30m", 2, "", `or every phone by --all`},
		{"device enroll --where labl=x --for 30m", 1, "", `near: label`},
		{"device enroll --where label=nowhere --for 30m", 0, `^no device is selected\n$`, ""},
		{"device enroll --where vendor=acme --for 30m --json", 0, `^\[\n`, ""},
		{"device enroll " + desk + " 00:15:65:99:99:99 --for 30m", 1, "", `device 00:15:65:99:99:99, after 1 of 2 phones were done: .*not found`},
		{"device enroll --where vendor=acme --for 0s", 0, `^closed for 1 device\n$`, ""},
		{"device enroll " + desk, 2, "", `--for is needed`},
		{"device enroll 00:15:65 --for 30m", 2, "", `one of 001565123456`},
		{"device enroll 00:15:65:99:99:99 --for 30m", 1, "", `not found`},
		{"device enroll --all --for soon", 2, "", `--for: duration "soon" must be written like 90s`},
		{"device enroll --all --for 3d", 1, "", `allowed is 0s`},
		{"device credentials " + desk, 0, `(?s)user +001565123456\npassword +\*\*\*\nurl +http://10\.20\.0\.2/`, ""},
		{"device credentials " + desk + " --reveal", 0, `password +[a-z2-9]{20}\n`, ""},
		{"device credentials " + desk + " --rotate --dry-run --summary", 0, `^rotate credentials of ` + desk + `: 1 record \(changed\) would change\n`, `^$`},
		{"device credentials " + desk + " --message lent", 2, "", `--dry-run, --summary, --message and --resync go with --rotate`},
		{"device credentials --csv --dry-run", 2, "", `go with --rotate`},
		{"device credentials " + desk + " --rotate --message lent", 0, `changing +the password before counts too`, `has a new password`},
		{"device credentials " + desk + " --rotate", 1, "", `has not used its new password yet.*\nhint: force replaces it`},
		{"device credentials " + desk + " --rotate --force", 0, `changing +the password before counts too`, `has a new password`},
		{"change list", 0, `rotate credentials of .*lent`, ""},
		{"device credentials --csv", 0, `(?m)^mac,vendor,model,label,url,user,password\n` + desk + `,acme,A4,Front Desk Phone,http://10\.20\.0\.2/,001565123456,[a-z2-9]{20}$`, ""},
		{"device credentials", 2, "", `name one phone`},
		{"device credentials 00:15:65:99:99:99", 1, "", `not found`},
	} {
		status, out, errs := s.run(tt.line)
		if status != tt.status || !regexp.MustCompile(tt.out).MatchString(out) || !regexp.MustCompile(tt.err).MatchString(errs) {
			t.Errorf("plugtone %s: status %d\n%s%s", tt.line, status, out, errs)
		}
	}
	if before, after := s.ok("device credentials "+desk+" --reveal"), s.ok("device show "+desk); strings.Contains(after, strings.Fields(before)[5]) {
		t.Error("device show prints the password")
	}
}
