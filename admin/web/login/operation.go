package login

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/admin/web/session"
	"plugtone/provision/fleet"
)

// OperationConfig has what the API operation needs. All members are required, but for Hosts.
type OperationConfig struct {
	Sessions *session.Sessions
	Listen   []string        // addresses of the API, HOST:PORT or unix:PATH
	TLS      bool            // whether they speak TLS
	Hosts    func() []string // optional: names of this host
	Audit    func(fleet.AuditEntry) error
}

// RegisterOperation adds the operation that makes one-time addresses.
func RegisterOperation(api huma.API, c OperationConfig) {
	o := access.Op(http.MethodPost, "/web/login", "post-web-login", "operation", "Make an address that signs in to the page once", access.Admin)
	o.DefaultStatus = http.StatusCreated
	huma.Register(api, o, func(ctx context.Context, _ *struct{}) (*struct{ Body client.WebLogin }, error) {
		bases := c.bases()
		if len(bases) == 0 {
			return nil, huma.Error409Conflict("no browser can reach the page: admin.listen has no TCP address\nhint: add 127.0.0.1:8067 to admin.listen and restart the daemon")
		}
		caller := access.Of(ctx)
		err := c.Audit(fleet.AuditEntry{Time: c.Sessions.Now(), Actor: caller.Name, From: caller.From, Action: "make an address that signs in to the page",
			Records: []fleet.AuditRecord{{Kind: "page", Change: "changed"}}})
		if err != nil {
			return nil, problem.From(err)
		}
		code, until := c.Sessions.Code(caller)
		out := client.WebLogin{ExpiresAt: until}
		for _, b := range bases {
			out.URLs = append(out.URLs, b+Path+code)
		}
		return &struct{ Body client.WebLogin }{out}, nil
	})
}

// bases returns the URLs of the page, those that other machines reach first.
func (c OperationConfig) bases() []string {
	scheme := "http://"
	if c.TLS {
		scheme = "https://"
	}
	var wide, local []string
	for _, l := range c.Listen {
		host, port, err := net.SplitHostPort(l)
		if err != nil || strings.HasPrefix(l, "unix:") {
			continue
		}
		ip, err := netip.ParseAddr(host)
		switch {
		case host == "localhost" || err == nil && ip.IsLoopback():
			local = append(local, scheme+net.JoinHostPort(host, port))
		case host == "" || err == nil && ip.IsUnspecified():
			wide = append(wide, scheme+net.JoinHostPort(c.name(), port))
		default:
			wide = append(wide, scheme+net.JoinHostPort(host, port))
		}
	}
	return append(wide, local...)
}

// name returns a name of this host that requests may use.
func (c OperationConfig) name() string {
	if c.Hosts != nil {
		for _, n := range c.Hosts() {
			return n
		}
	}
	return "localhost"
}
