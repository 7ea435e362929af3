package pack

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// resyncDocs is one way to tell phones to fetch again, or several with the models and firmware that each is for.
type resyncDocs []resyncDoc

type resyncDoc struct {
	Resync     `yaml:",inline"`
	For        listOrOne `yaml:"for"`
	Firmware   string    `yaml:"firmware"`
	Note       string    `yaml:"note"`
	Source     string    `yaml:"source"`
	Confidence string    `yaml:"confidence"`
	line       int
	re         *regexp.Regexp
}

func (d *resyncDocs) UnmarshalYAML(n *yaml.Node) error {
	entries := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		entries = n.Content
	}
	for _, c := range entries {
		one := resyncDoc{line: c.Line}
		type plain resyncDoc
		if err := decodeStrict(c, (*plain)(&one), "event", "plain", "reboot", "reboot_event", "content_type", "body", "reboot_body",
			"challenges", "for", "firmware", "note", "source", "confidence"); err != nil {
			return err
		}
		*d = append(*d, one)
	}
	return nil
}

// Resync says how a phone of this vendor is told to fetch again: the first entry that fits its model and firmware. With
// firmware "" entries for some firmware don't count. ok is false when the vendor's phones have no way known.
func (v *Vendor) Resync(model, firmware string) (r Resync, ok bool) {
	m := v.model(model)
	for i := range v.doc.Resync {
		d := &v.doc.Resync[i]
		if m.isAny(d.For) && (d.re == nil || firmware != "" && d.re.MatchString(firmware)) {
			return d.Resync, d.Event != ""
		}
	}
	return Resync{}, false
}

func (v *Vendor) checkResync() []error {
	var errs []error
	for i := range v.doc.Resync {
		d := &v.doc.Resync[i]
		bad := func(format string, args ...any) {
			errs = append(errs, &lineError{d.line, "resync: " + fmt.Sprintf(format, args...)})
		}
		if err := v.checkFor(d.For); err != nil {
			bad("%v", err)
		}
		if d.Firmware != "" {
			var err error
			if d.re, err = regexp.Compile(d.Firmware); err != nil {
				bad("firmware: %v", err)
			}
		}
		what := "resync"
		if len(d.For) > 0 {
			what += " of " + strings.Join(d.For, ", ")
		}
		v.note(d.line, what, d.Note, d.Source, d.Confidence)
	}
	return errs
}

// resyncWords says it for people.
func (v *Vendor) resyncSummary() string {
	var out []string
	for i := range v.doc.Resync {
		d := &v.doc.Resync[i]
		words := "none"
		if d.Event != "" {
			words = "NOTIFY " + d.Event
		}
		if d.Plain != "" {
			words += ";" + d.Plain
		}
		if d.Challenges {
			words += ", answered with a challenge"
		}
		if len(d.For) > 0 {
			words += " (" + strings.Join(d.For, ", ") + ")"
		}
		if d.Firmware != "" {
			words += " with firmware " + d.Firmware
		}
		out = append(out, words)
	}
	return strings.Join(out, "; ")
}
