package records

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
)

// number returns the number of a text; what is none is for the API to name.
func number(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return text
}

// put creates a record with the etag "new", else changes it.
func put[T any](ctx context.Context, c client.Collection[T], id string, set map[string]any, etag string) (err error) {
	if etag == "new" {
		_, err = c.Put(ctx, id, set, etag)
		return err
	}
	_, err = c.Patch(ctx, id, set, etag)
	return err
}

// choices returns names as the options of a choice, after a first one without a name.
func choices(none string, names []string) []page.Option {
	out := []page.Option{{Text: none}}
	for _, n := range names {
		out = append(out, page.Option{Value: n, Text: n})
	}
	return out
}

func registrarNames(ctx context.Context, api *client.Client) (names []string, err error) {
	all, err := api.Registrars().All(ctx, nil)
	for _, x := range all {
		names = append(names, x.Name)
	}
	return names, err
}

func profileKind() kind {
	return kind{Path: "/profiles", One: "profile", Add: "Add a profile", Many: "Profiles", Admins: []string{"upstream", "upstream_user", "upstream_password"},
		Fields: map[string]string{"upstream[0]": "upstream", "upstream[1]": "upstream", "upstream[2]": "upstream"},
		fields: func(ctx context.Context, api *client.Client, f *page.Form, fresh bool) ([]page.Field, error) {
			all, err := api.Profiles().All(ctx, nil)
			var names []string
			for _, p := range all {
				names = append(names, p.Name)
			}
			parent := f.Select("parent", "Inherits from", choices("nothing", names), "Keys, contacts and settings of that profile hold where this one has none.")
			rest := []page.Field{parent, f.Area("upstream", "PBXs that render the files", "URLs, one a line; the first that answers is used. Empty: plugtone renders them."),
				f.Text("upstream_user", "User at those PBXs", "For HTTP Digest or Basic, where they want it."), f.Password("upstream_password", "Password at those PBXs", "Is never shown. Empty: it stays.")}
			if !fresh {
				return rest, err
			}
			return append([]page.Field{f.Text("name", "Name", "Such as desk or reception.").Must()}, rest...), err
		},
		read: func(ctx context.Context, api *client.Client, id string) (stored, error) {
			p, tag, err := api.Profiles().Get(ctx, id, false)
			v := url.Values{"parent": {p.Parent}, "upstream": {strings.Join(p.Upstream, "\n")}, "upstream_user": {p.UpstreamUser}, "upstream_password": {""}}
			return stored{v, tag, p.Source, p.SourceMembers}, err
		},
		write: func(ctx context.Context, api *client.Client, id string, set map[string]any, tag string) error {
			return put(ctx, api.Profiles(), id, set, tag)
		},
		remove: func(ctx context.Context, api *client.Client, id string, force bool) error {
			return api.Profiles().Delete(ctx, id, force)
		},
		id:    func(f *page.Form) string { return f.Get("name") },
		after: func(id string) string { return "/profiles/" + url.PathEscape(id) }}
}

func extensionKind() kind {
	return kind{Path: "/extensions", One: "extension", Add: "Add an extension", Many: "Extensions",
		fields: func(ctx context.Context, api *client.Client, f *page.Form, fresh bool) ([]page.Field, error) {
			names, err := registrarNames(ctx, api)
			password := f.Password("password", "SIP password", "Is never shown. Empty: it stays.")
			var out []page.Field
			if fresh {
				password.Hint = "Phones register with it."
				out = append(out, f.Text("number", "Number", "Also its SIP user.").Must())
			}
			return append(out, f.Text("display_name", "Name", "Called phones show it."), password,
				f.Select("registrar", "Registrar", choices("the only one", names)), f.Text("auth_user", "User for SIP authentication", "Empty: the number."),
				f.Text("voicemail", "Voicemail number")), err
		},
		read: func(ctx context.Context, api *client.Client, id string) (stored, error) {
			x, tag, err := api.Extensions().Get(ctx, id, false)
			out := stored{url.Values{"display_name": {x.DisplayName}, "registrar": {x.Registrar}, "auth_user": {x.AuthUser}, "voicemail": {x.Voicemail}, "password": {""}}, tag, x.Source, nil}
			if x.Source != "" {
				out.Owned = append(fleet.OwnedMembers(), "registrar")
			}
			return out, err
		},
		write: func(ctx context.Context, api *client.Client, id string, set map[string]any, tag string) error {
			return put(ctx, api.Extensions(), id, set, tag)
		},
		remove: func(ctx context.Context, api *client.Client, id string, force bool) error {
			return api.Extensions().Delete(ctx, id, force)
		},
		id: func(f *page.Form) string {
			l := fleet.Line{Extension: f.Get("number"), Registrar: f.Get("registrar")}
			return l.String()
		},
		after: func(string) string { return "/extensions" }}
}

func registrarKind() kind {
	return kind{Path: "/registrars", One: "registrar", Add: "Add a registrar", Many: "Registrars",
		fields: func(_ context.Context, _ *client.Client, f *page.Form, fresh bool) ([]page.Field, error) {
			var out []page.Field
			if fresh {
				out = append(out, f.Text("name", "Name", "Such as main.").Must())
			}
			var transports []page.Option
			for _, t := range []string{"udp", "tcp", "tls"} {
				transports = append(transports, page.Option{Value: t, Text: t})
			}
			return append(out, f.Text("host", "Host", "Host name or IPv4 address of the SIP server.").Must(), f.Number("port", "Port", "Empty: 5060, with tls 5061."),
				f.Select("transport", "Transport", transports), f.Text("sip_domain", "SIP domain", "When it is not the host."),
				f.Text("outbound_proxy", "Outbound proxy", "HOST or HOST:PORT."), f.Text("backup_host", "Backup host"),
				f.Text("backup_outbound_proxy", "Backup outbound proxy"), f.Text("register_expires", "Registrations last", "Such as 15m or 1h; from 30s to 7d.")), nil
		},
		read: func(ctx context.Context, api *client.Client, id string) (stored, error) {
			x, tag, err := api.Registrars().Get(ctx, id, false)
			v := url.Values{"host": {x.Host}, "port": {strconv.Itoa(x.Port)}, "transport": {x.Transport}, "sip_domain": {x.SIPDomain}, "outbound_proxy": {x.OutboundProxy},
				"backup_host": {x.BackupHost}, "backup_outbound_proxy": {x.BackupOutboundProxy}, "register_expires": {x.RegisterExpires.String()}}
			return stored{Values: v, ETag: tag}, err
		},
		write: func(ctx context.Context, api *client.Client, id string, set map[string]any, tag string) error {
			return put(ctx, api.Registrars(), id, set, tag)
		},
		remove: func(ctx context.Context, api *client.Client, id string, force bool) error {
			return api.Registrars().Delete(ctx, id, force)
		},
		id:    func(f *page.Form) string { return f.Get("name") },
		after: func(string) string { return "/registrars" }}
}
