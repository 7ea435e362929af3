package main

import (
	"slices"
	"strings"
	"testing"
)

// notRecords are the commands that change something else than records, or nothing.
var notRecords = []string{
	"change list", "change show", "device diff", "device enroll", "device files", "device history", "device list", "device show", "device credentials",
	"discovered forget", "discovered list", "explain", "export", "extension history", "extension list", "extension show", "job list", "job show", "job stop", "leases",
	"pbx list", "pbx push", "pbx registrations", "pbx show", "pbx test", "profile history", "profile list", "profile show", "registrar history", "registrar list", "registrar show",
	"backup", "check", "cluster import", "cluster join", "cluster leave", "cluster status", "db check", "db decrypt", "db rotate-key", "db check-file", "reload", "restore", "resync", "status", "token add", "token list", "token rm", "trace", "vendor check", "vendor list", "vendor show", "version", "web",
}

// TestEveryWritingCommandHasADryRun looks at every command that changes records.
func TestEveryWritingCommandHasADryRun(t *testing.T) {
	for _, c := range leaves(newRoot()) {
		name := strings.TrimPrefix(c.CommandPath(), "plugtone ")
		if slices.Contains(notRecords, name) {
			continue
		}
		for _, flag := range []string{"dry-run", "message"} {
			if c.Flags().Lookup(flag) == nil && c.InheritedFlags().Lookup(flag) == nil {
				t.Errorf("plugtone %s has no --%s", name, flag)
			}
		}
	}
}

// TestDryRunWithoutAServerAddress has the reason why no file would change, and what to configure.
func TestDryRunWithoutAServerAddress(t *testing.T) {
	s := newShell(t)
	s.Config.API.Site().Subnets = nil
	s.office()
	s.ok("device add 00:15:65:12:34:57 --model acme/A1 --line 1001")
	s.ok("device add 00:15:65:12:34:58 --model acme/A1 --line 1002")
	const reason = "which can't be rendered: there is no server address for the phone: set provisioning.external_url, or add the phone's subnet\n"
	for line, want := range map[string]string{
		"extension set 1001 --display-name Lobby --dry-run":           "no phone's files would change\nnot compared are files of 2 phones, " + desk + " among them, " + reason,
		"extension set 1001 --display-name Lobby --dry-run --summary": "no phone's files would change\nnot compared are files of 2 phones, " + desk + " among them, " + reason,
		"device set 00:15:65:12:34:58 --label Lobby --dry-run":        "no phone's files would change\nnot compared are files of 00:15:65:12:34:58, " + reason,
	} {
		if out := s.ok(line); !strings.Contains(out, want) {
			t.Errorf("%s:\n%s\nwant\n%s", line, out, want)
		}
	}
}
