package config

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
	"plugtone/provision/yamlpos"
)

// pbx reads the list of PBX sources.
func (r *reader) pbx(n *yaml.Node, path string, dst *[]pbxsync.Source) {
	r.List(n, path, func(n *yaml.Node, at string) {
		s := pbxsync.Source{Domains: map[string]string{}, Interval: time.Minute}
		var take []string
		r.Fields(n, at, map[string]yamlpos.Field{
			"name":          r.toName(&s.Name),
			"type":          r.toWord(&s.Type, pbx.Types()...),
			"dsn":           r.toText(&s.DSN),
			"password_file": r.toPath(&s.PasswordFile, true),
			"files":         r.toPaths(&s.Files),
			"take":          r.toWords(&take, pbx.Takes()...),
			"interval":      r.toDuration(&s.Interval, 0, 30*day),
			"resync":        r.toBool(&s.Resync),
			"domains": func(n *yaml.Node, at string) {
				r.Pairs(n, at, func(key, value *yaml.Node, at string) {
					var name string
					if r.toName(&name)(value, at); name != "" {
						s.Domains[key.Value] = name
					}
				})
			},
		})
		s.Take = pbx.TakeOf(take)
		switch {
		case s.Name == "":
			if !r.written(at + ".name") {
				r.problemPath(at, "", "has no name")
			}
		case slices.ContainsFunc(*dst, func(o pbxsync.Source) bool { return o.Name == s.Name }):
			r.problemPath(at+".name", s.Name, "duplicate")
		case s.Type == "":
			if !r.written(at + ".type") {
				r.problemPath(at, "", "has no type")
			}
		default:
			if err := s.Validate(); err != nil {
				r.problemPath(at, "", "%s", err)
			}
		}
		*dst = append(*dst, s)
	})
}

// toName reads the name of a record.
func (r values) toName(dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		s, ok := r.Scalar(n, path)
		var bad fleet.ValidationError
		if bad.Name("", s); ok && bad.Err() != nil {
			r.Errorf(n, path, "a name of letters, digits, and . _ - after the first character, 64 at most")
			return
		}
		*dst = s
	}
}

// toText reads any text.
func (r values) toText(dst *string) yamlpos.Field {
	return func(n *yaml.Node, path string) {
		if s, ok := r.Scalar(n, path); ok {
			*dst = s
		}
	}
}
