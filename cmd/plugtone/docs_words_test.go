package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"plugtone/provision/trust"
)

// Every security event is in the table of docs/trust.md, and nothing else is.
func TestEverySecurityEventIsDocumented(t *testing.T) {
	_, section, _ := strings.Cut(readRoot(t, "docs/trust.md"), "\n## Security events\n")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, m[1])
	}
	var events []string
	for _, k := range trust.EventKinds() {
		events = append(events, string(k))
	}
	slices.Sort(documented)
	slices.Sort(events)
	if !slices.Equal(documented, events) {
		t.Errorf("docs/trust.md has the events %v, the program %v", documented, events)
	}
}

// What provisioning.unknown_phones means has the same words in the default configuration and in its description.
func TestUnknownPhonesHasOneWording(t *testing.T) {
	plain := func(text string) string {
		text = strings.NewReplacer("`", "", "\"", "", "#", " ").Replace(text)
		return strings.Join(strings.Fields(text), " ")
	}
	_, section, _ := strings.Cut(readRoot(t, "docs/configuration.md"), "### `provisioning.unknown_phones`")
	_, section, _ = strings.Cut(section, "\n")
	section, _, _ = strings.Cut(section, "\n###")
	if want := plain(section); !strings.Contains(plain(readRoot(t, "packaging/plugtone.yaml")), want) {
		t.Errorf("packaging/plugtone.yaml does not have %q", want)
	}
}
