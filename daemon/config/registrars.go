package config

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/pbxroute"
	"plugtone/provision/yamlpos"
)

// minPoll is the shortest time between two lists of contacts: each takes some work of the PBX.
const minPoll = 5 * time.Second

// registrars reads how the PBXs of registrars are reached. The records themselves are not part of the configuration.
func (r *reader) registrars(n *yaml.Node, path string, dst *[]pbxroute.Config) {
	r.List(n, path, func(n *yaml.Node, at string) {
		c := pbxroute.Config{Notify: pbxroute.Direct}
		r.Fields(n, at, map[string]yamlpos.Field{
			"name":          r.toName(&c.Registrar),
			"notify":        r.toWord(&c.Notify, append([]string{pbxroute.Direct}, pbxroute.Kinds()...)...),
			"poll_by":       r.toWord(&c.PollBy, pbxroute.PollKinds()...),
			"address":       r.toText(&c.Address),
			"user":          r.toText(&c.User),
			"password_file": r.toPath(&c.PasswordFile, true),
			"profile":       r.toText(&c.Profile),
			"poll":          r.toDuration(&c.Poll, 0, day),
		})
		switch {
		case c.Registrar == "":
			if !r.written(at + ".name") {
				r.problemPath(at, "", "has no name: that of a registrar")
			}
		case slices.ContainsFunc(*dst, func(o pbxroute.Config) bool { return o.Registrar == c.Registrar }):
			r.problemPath(at+".name", c.Registrar, "duplicate")
		case c.Poll > 0 && c.Poll < minPoll:
			r.problemPath(at+".poll", c.Poll.String(), "0s for never, or at least %s", minPoll)
		default:
			if err := c.Validate(); err != nil {
				r.problemPath(at, "", "%s", err)
			}
		}
		*dst = append(*dst, c)
	})
}
