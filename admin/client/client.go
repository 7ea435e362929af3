package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"plugtone/provision/impact"
)

// DefaultAddr is where a daemon listens by default.
const DefaultAddr = "unix:/run/plugtone/admin.sock"

// How long the daemon may take to start its answer: a change of very many records, or its dry run, renders the files of as many phones.
const (
	answerTime = 60 * time.Second
	changeTime = 10 * time.Minute
)

// errNoAnswer ends a request that takes longer.
var errNoAnswer = errors.New("it does not answer in time")

// Client calls the admin API of one daemon. Its methods are those of its parts: Records, Phones, Operation, Fleet and Network.
type Client struct {
	Records
	Phones
	Operation
	Fleet
	Network
}

// conn is the connection that the parts of a Client share.
type conn struct {
	addr     string // as given, for messages
	base     string // http://host
	token    string
	http     *http.Client
	write    Write
	onChange func(id uint64) // nil: not called
}

// Unreachable is the error when no daemon answers at the address, or one whose certificate can't be verified.
type Unreachable struct {
	Addr string
	Err  error
}

func (e *Unreachable) Error() string {
	if e.Untrusted() {
		return "the certificate of " + e.Addr + " can't be verified: " + e.Err.Error()
	}
	return "no daemon answers at " + e.Addr + ": " + e.Err.Error()
}

// Untrusted reports whether a daemon answers with a certificate that can't be verified.
func (e *Unreachable) Untrusted() bool {
	return errors.As(e.Err, new(*tls.CertificateVerificationError))
}

func (e *Unreachable) Unwrap() error { return e.Err }

// New returns a client for unix:PATH, HOST:PORT (http on this machine, https to others) or a URL. A token is needed over
// TCP only.
func New(addr, token string) (*Client, error) {
	c, err := dial(addr, token)
	if err != nil {
		return nil, err
	}
	return clientOf(c), nil
}

// Trust makes the client accept the certificates of the authorities in pem, and no others. It is an error when pem has none. Call it before the
// first request.
func (c *Client) Trust(pem []byte) error {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("holds no certificate in PEM form")
	}
	c.Records.conn.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}

// Over returns a client whose requests are answered by transport, which decides who the caller is.
func Over(transport http.RoundTripper) *Client {
	return clientOf(&conn{addr: "this process", base: "http://plugtone", http: &http.Client{Transport: transport}})
}

func clientOf(c *conn) *Client {
	return &Client{Records{c}, Phones{c}, Operation{c}, Fleet{c}, Network{c}}
}

// Write holds the reason for a change of records, and whether it is a dry run.
type Write struct {
	Message string // shown with the change
	DryRun  bool   // nothing is changed: each call that would change records returns a *DryRun error
	Summary bool   // with DryRun: count the phones only
}

// Writing returns a client that changes records in this way.
func (c *Client) Writing(w Write) *Client {
	with := *c.Records.conn
	with.write = w
	return clientOf(&with)
}

// OnChange returns a client that calls f with the number of each change that it made.
func (c *Client) OnChange(f func(id uint64)) *Client {
	with := *c.Records.conn
	with.onChange = f
	return clientOf(&with)
}

// DryRun is the error of a call that would have changed records.
type DryRun struct{ Preview impact.Preview }

func (e *DryRun) Error() string {
	if e.Preview.Phones == 1 {
		return fmt.Sprintf("dry run: %s: the files of 1 phone would change", e.Preview.Action)
	}
	return fmt.Sprintf("dry run: %s: the files of %d phones would change", e.Preview.Action, e.Preview.Phones)
}

// dial parses an address. It sends nothing.
func dial(addr, token string) (*conn, error) {
	c := &conn{addr: addr, token: token}
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	path, unix := strings.CutPrefix(addr, "unix:")
	switch {
	case unix && path == "":
		return nil, fmt.Errorf("admin address %q: it has no path", addr)
	case unix:
		c.base = "http://plugtone"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return c, nil
	case strings.HasPrefix(addr, "/"):
		return dial("unix:"+addr, token)
	case strings.HasPrefix(addr, "http://"), strings.HasPrefix(addr, "https://"):
		c.base = strings.TrimRight(addr, "/")
	default:
		host, _, err := net.SplitHostPort(addr)
		if err != nil || strings.Contains(addr, "/") {
			return nil, fmt.Errorf("admin address %q: must be unix:PATH, HOST:PORT or https://HOST:PORT", addr)
		}
		c.base = "https://" + addr
		if local(host) {
			c.base = "http://" + addr
		}
	}
	u, err := url.Parse(c.base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("admin address %q: must be unix:PATH, HOST:PORT or https://HOST:PORT", addr)
	}
	if u.Scheme == "http" && token != "" && !local(u.Hostname()) {
		return nil, fmt.Errorf("admin address %q: a token is not sent in clear to another machine; use https://", addr)
	}
	return c, nil
}

func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// call is one request.
type call struct {
	method string
	path   string // below /api/v1, already escaped
	query  url.Values
	header http.Header
	body   any       // marshalled to JSON; nil: none
	raw    io.Reader // sent as it is, instead of body
	change bool      // it changes records
}

// send sends a request and converts a problem document into an error. The caller closes the body.
func (c *conn) send(ctx context.Context, q call) (*http.Response, error) {
	body := q.raw
	if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	target := c.base + "/api/v1" + q.path
	if query := c.queryOf(q); len(query) > 0 {
		target += "?" + query.Encode()
	}
	limited, cancel := context.WithCancelCause(ctx)
	limit := answerTime
	if q.change {
		limit = changeTime
	}
	late := time.AfterFunc(limit, func() { cancel(errNoAnswer) })
	defer late.Stop() // the body is read with the same context
	req, err := http.NewRequestWithContext(limited, q.method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if cause := context.Cause(limited); cause != nil {
			err = cause
		}
		return nil, &Unreachable{Addr: c.addr, Err: err}
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, readProblem(res)
	}
	if res.Header.Get("Plugtone-Dry-Run") != "" {
		defer res.Body.Close()
		return nil, readDryRun(res.Body)
	}
	if id, err := strconv.ParseUint(res.Header.Get("Plugtone-Change"), 10, 64); err == nil {
		c.changed(id)
	}
	return res, nil
}

// readDryRun reads the answer to a dry run, as the error that it is.
func readDryRun(body io.Reader) error {
	tried := &DryRun{}
	if err := json.NewDecoder(body).Decode(&tried.Preview); err != nil {
		return fmt.Errorf("the daemon's answer is invalid: %w", err)
	}
	return tried
}

// changed reports a change that was made; 0 is none.
func (c *conn) changed(id uint64) {
	if c.onChange != nil && id > 0 {
		c.onChange(id)
	}
}

// queryOf returns the query of a call, with how records are changed.
func (c *conn) queryOf(q call) url.Values {
	if !q.change {
		return q.query
	}
	out := url.Values{}
	for name, values := range q.query {
		out[name] = values
	}
	if c.write.Message != "" {
		out.Set("message", c.write.Message)
	}
	if c.write.DryRun {
		out.Set("dry_run", "true")
	}
	if c.write.DryRun && c.write.Summary {
		out.Set("summary", "true")
	}
	return out
}

// readProblem converts an unsuccessful answer into an error.
func readProblem(res *http.Response) error {
	p := &Problem{Status: res.StatusCode, Title: http.StatusText(res.StatusCode)}
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if ct, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); ct != "application/problem+json" {
		p.Detail = fmt.Sprintf("%s is not a plugtone daemon: is another program listening there?", res.Request.URL.Host)
		return p
	}
	if err := json.Unmarshal(b, p); err != nil {
		return fmt.Errorf("the daemon's answer is invalid: %w", err)
	}
	return p
}

// do sends a request and decodes the JSON of the answer into out, which may be nil.
func (c *conn) do(ctx context.Context, q call, out any) (http.Header, error) {
	res, err := c.send(ctx, q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if out == nil {
		return res.Header, nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return nil, fmt.Errorf("the daemon's answer is invalid: %w", err)
	}
	return res.Header, nil
}

// pageSize is the size of the largest page.
const pageSize = "1000"

// all reads every page of a list.
func all[T any](ctx context.Context, c *conn, path string, query url.Values) ([]T, error) {
	out := []T{}
	for v, err := range each[T](ctx, c, path, query) {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (c *conn) get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: path, query: query}, out)
	return err
}

func (c *conn) post(ctx context.Context, path string, in, out any) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: path, body: in}, out)
	return err
}
