package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp/netlab"
)

// fileLimit is more than any configuration file has; a phone's flash would not take it either.
const fileLimit = 8 << 20

// ErrRefused is an answer by which a server refuses a file or has none: HTTP 401, 403 or 404, TFTP error 1 or 2.
var ErrRefused = errors.New("refused")

// fetcher gets files over the transport that the base URL names.
type fetcher struct {
	host      Host
	base      *url.URL
	userAgent string
	web       *http.Client
}

func newFetcher(host Host, base *url.URL, userAgent string) *fetcher {
	transport := &http.Transport{DialContext: host.Namespace.DialContext}
	return &fetcher{host: host, base: base, userAgent: userAgent, web: &http.Client{
		Transport: transport,
		Timeout:   20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("redirected, which many phones don't follow")
		},
	}}
}

func (f *fetcher) close() { f.web.CloseIdleConnections() }

// get returns the size of a file.
func (f *fetcher) get(ctx context.Context, name string) (int, error) {
	switch f.base.Scheme {
	case "http":
		return f.overHTTP(ctx, name)
	case "tftp":
		return f.overTFTP(ctx, name)
	}
	return 0, fmt.Errorf("server URL %s: scheme %q can't be played", f.base, f.base.Scheme)
}

// overHTTP fetches a file, again when it is challenged: a simulated phone applies no configuration, so it behaves
// like one that has been reset, which has none.
func (f *fetcher) overHTTP(ctx context.Context, name string) (int, error) {
	n, status, err := f.once(ctx, name)
	if err == nil && status == http.StatusUnauthorized {
		n, status, err = f.once(ctx, name)
	}
	switch {
	case err != nil || status == http.StatusOK:
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound:
		err = fmt.Errorf("HTTP %d %s: %w", status, http.StatusText(status), ErrRefused)
	default:
		err = fmt.Errorf("HTTP %d %s", status, http.StatusText(status))
	}
	return n, err
}

func (f *fetcher) once(ctx context.Context, name string) (size, status int, err error) {
	u := *f.base
	u.Path += strings.TrimPrefix(name, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("User-Agent", f.userAgent)
	resp, err := f.web.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, fileLimit))
	return int(n), resp.StatusCode, err
}

func (f *fetcher) overTFTP(ctx context.Context, name string) (size int, err error) {
	port := f.base.Port()
	if port == "" {
		port = "69"
	}
	// The client opens its socket on this goroutine, so it is in the phone's namespace.
	err = f.host.Namespace.Do(func() error {
		server, err := net.ResolveUDPAddr("udp4", net.JoinHostPort(f.base.Hostname(), port))
		if err != nil {
			return err
		}
		c := bootclient.TFTP{Server: server.AddrPort(), Blksize: 1428}
		n, err := c.Fetch(ctx, strings.TrimPrefix(f.base.Path, "/")+name)
		size = int(n)
		return err
	})
	var refusal *bootclient.TFTPError
	if errors.As(err, &refusal) && (refusal.Code == 1 || refusal.Code == 2) { // file not found, access violation (RFC 1350, appendix I)
		return size, fmt.Errorf("%w: %w", err, ErrRefused)
	}
	return size, err
}

// Fetch requests one file from a namespace and returns its size in bytes.
func Fetch(ctx context.Context, ns *netlab.Namespace, base, name, userAgent string) (int, error) {
	u, err := url.Parse(base)
	if err != nil {
		return 0, err
	}
	f := newFetcher(Host{Namespace: ns}, u, userAgent)
	defer f.close()
	return f.get(ctx, name)
}
