package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// adminPage is where the demo's daemon serves its API, inside its namespace.
const adminPage = "127.0.0.1:8067"

// offerPage connects the listener of the machine's own network to the daemon's page until ctx ends, and prints its addresses.
func (d *demo) offerPage(ctx context.Context) error {
	if len(d.Page) == 0 {
		return nil
	}
	l, err := net.FileListener(d.Page[0])
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return // closed
			}
			go d.forward(ctx, in)
		}
	}()
	login, err := d.login(ctx)
	if err != nil {
		return err
	}
	d.printf("\nOn this machine, while the demo runs:\n\n  http://%[1]s%[2]s   the page, signed in; within five minutes\n  http://%[1]s/docs      the API\n  http://%[1]s/metrics   for Prometheus", l.Addr(), login)
	d.printf("\nThe API needs a token, which signs in to the page too:")
	return d.command(ctx, "token", "add", "demo", "--role", "operator")
}

// login returns the path that signs in to the page once.
func (d *demo) login(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, d.Self, "web")
	cmd.Env = append(os.Environ(), "PLUGTONE_ADMIN="+d.admin())
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("plugtone web: %w", err)
	}
	u, err := url.Parse(strings.TrimSpace(string(out)))
	if err != nil {
		return "", err
	}
	return u.Path, nil
}

// forward copies between a connection and the daemon's page until one of them ends.
func (d *demo) forward(ctx context.Context, in net.Conn) {
	out, err := d.server.DialContext(ctx, "tcp4", adminPage)
	if err != nil {
		in.Close()
		return
	}
	end := sync.OnceFunc(func() { _ = errors.Join(in.Close(), out.Close()) })
	defer context.AfterFunc(ctx, end)()
	go func() {
		defer end()
		_, _ = io.Copy(out, in) // either end may hang up at any time
	}()
	defer end()
	_, _ = io.Copy(in, out)
}
