package pack

import (
	"regexp"
	"strings"

	"plugtone/provision/packdoc"
)

// resyncRule is one way to notify phones that they are to fetch again, with the firmware that it is for.
type resyncRule struct {
	*packdoc.Resync
	firmware *regexp.Regexp // nil: any
}

// Resync returns how a phone of this vendor is notified that it is to fetch again: the first rule that fits its model and
// firmware. With firmware "" rules for some firmware don't count. ok is false when no way is known.
func (v *Vendor) Resync(model, firmware string) (n packdoc.Notify, ok bool) {
	m := v.ModelOrGeneric(model)
	for _, r := range v.resync {
		if m.IsAny(r.For) && (r.firmware == nil || firmware != "" && r.firmware.MatchString(firmware)) {
			return r.Notify, r.Event != ""
		}
	}
	return packdoc.Notify{}, false
}

func (c *compiler) compileResync() {
	for i := range c.doc.Resync {
		d := &c.doc.Resync[i]
		rule := resyncRule{Resync: d}
		c.checkFor(d.Pos, "resync: ", d.For)
		if d.Firmware != "" {
			var err error
			if rule.firmware, err = regexp.Compile(d.Firmware); err != nil {
				c.problem(d.Pos, "resync: firmware: %v", err)
			}
		}
		what := "resync"
		if len(d.For) > 0 {
			what += " of " + strings.Join(d.For, ", ")
		}
		c.note(d.Pos, what, d.Basis)
		c.v.resync = append(c.v.resync, rule)
	}
}

// resyncSummary describes the rules in words.
func (v *Vendor) resyncSummary() string {
	var out []string
	for _, d := range v.resync {
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
