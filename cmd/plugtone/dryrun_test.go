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
