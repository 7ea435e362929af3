package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"plugtone/admin/client"
)

// The command line prints these messages as they are.
func TestMessagesOfTheClientNameNoHTTP(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.ReloadAs = errors.New("plugtone.yaml:3:5: nonsense")
	foreign := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(foreign.Close)
	words := regexp.MustCompile(`\b(HTTP|GET|PUT|POST|PATCH|DELETE|[Hh]eader|body|query|path|status|Authorization|Bearer|[45]\d\d)\b`)
	for _, c := range []struct {
		name, url, token string
		call             func(context.Context, *client.Client) error
	}{
		{"no token", a.url, "", func(ctx context.Context, c *client.Client) error { _, err := c.Status(ctx); return err }},
		{"the role is too low", a.url, "viewer", func(ctx context.Context, c *client.Client) error { return c.Devices().Delete(ctx, phone, false) }},
		{"another program", foreign.URL, "", func(ctx context.Context, c *client.Client) error { _, err := c.Status(ctx); return err }},
		{"an unknown device", a.url, "operator", func(ctx context.Context, c *client.Client) error {
			return c.Devices().Delete(ctx, "001565999999", false)
		}},
		{"an invalid MAC", a.url, "operator", func(ctx context.Context, c *client.Client) error { return c.Devices().Delete(ctx, "00:15", false) }},
		{"an unknown subnet", a.url, "operator", func(ctx context.Context, c *client.Client) error {
			_, err := c.Leases(ctx, map[string][]string{"subnet": {"10.30.0.0/24"}})
			return err
		}},
		{"an existing device", a.url, "operator", func(ctx context.Context, c *client.Client) error {
			_, err := c.Devices().Create(ctx, map[string]any{"mac": phone})
			return err
		}},
		{"a changed record", a.url, "operator", func(ctx context.Context, c *client.Client) error {
			_, err := c.Extensions().Put(ctx, "1001", map[string]any{}, `"4711"`)
			return err
		}},
		{"another name", a.url, "operator", func(ctx context.Context, c *client.Client) error {
			_, err := c.Registrars().Put(ctx, "main", map[string]any{"name": "other", "host": "h"}, "")
			return err
		}},
		{"invalid members", a.url, "operator", func(ctx context.Context, c *client.Client) error {
			_, err := c.Registrars().Put(ctx, "x", map[string]any{"hots": "a", "port": "5060x", "host": "b"}, "")
			return err
		}},
		{"an extension in use", a.url, "operator", func(ctx context.Context, c *client.Client) error { return c.Extensions().Delete(ctx, "1001", false) }},
		{"a failed reload", a.url, "admin", func(ctx context.Context, c *client.Client) error { return c.Reload(ctx, false) }},
	} {
		conn, err := client.New(c.url, c.token)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.call(t.Context(), conn); err == nil || words.MatchString(err.Error()) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
