package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
)

// callTimeout is how long a call may take unless its context ends sooner: a write by an operator waits for it.
const callTimeout = 2 * time.Second

// How often a connection without an answer is pinged while calls or watches are under way on it, and how long a ping may take. etcd closes a
// connection (too_many_pings) after three pings that came within 5 seconds of the one before (--grpc-keepalive-min-time), or while nothing was
// under way. gRPC for Go takes no shorter time.
const (
	keepAliveTime    = 10 * time.Second
	keepAliveTimeout = 2 * time.Second
)

// Config is how etcd is reached. Endpoints and Prefix must be set.
type Config struct {
	Endpoints    []string // URLs
	CAFile       string   // PEM; "": the authorities of this machine
	CertFile     string   // of this client, "" for none
	KeyFile      string
	Username     string // "" for none
	PasswordFile string
	Prefix       string // of all keys; ends in "/"
}

// ErrUnavailable is wrapped by the error of a call that etcd did not answer in time, or not with the majority of its servers. Whether a
// write was made is not known then.
var ErrUnavailable = errors.New("etcd does not answer")

// Client is a connection to etcd. Its methods may be called from any goroutine; keys that they get and return are without the prefix.
type Client struct {
	cfg     clientv3.Config
	prefix  string
	opening chan struct{} // holds a token, except while the connection is opened
	open    chan struct{} // closed when api is set
	api     api
}

// api is an open connection.
type api struct {
	*clientv3.Client
	kv clientv3.KV
	w  clientv3.Watcher
}

// Open reads the files of the configuration. It does not wait for etcd: a connection is made by the first call that etcd answers.
func Open(c Config) (*Client, error) {
	cfg := clientv3.Config{
		Endpoints: c.Endpoints, Username: c.Username, DialTimeout: callTimeout, Logger: zap.NewNop(),
		DialKeepAliveTime: keepAliveTime, DialKeepAliveTimeout: keepAliveTimeout,
	}
	var err error
	if strings.HasPrefix(c.Endpoints[0], "https:") {
		if cfg.TLS, err = tlsConfig(c); err != nil {
			return nil, err
		}
	}
	if c.PasswordFile != "" {
		password, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("password of etcd: %w", err)
		}
		cfg.Password = strings.TrimRight(string(password), "\r\n")
	}
	client := &Client{cfg: cfg, prefix: c.Prefix, opening: make(chan struct{}, 1), open: make(chan struct{})}
	client.opening <- struct{}{}
	return client, nil
}

func tlsConfig(c Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("authorities of etcd: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities of etcd: %s has no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile == "" {
		return t, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		return &pair, err
	}
	if _, err := load(); err != nil {
		return nil, fmt.Errorf("certificate for etcd: %w", err)
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() } // it may have been renewed
	return t, nil
}

// connect returns the connection. With a user, etcd's client logs in while it is made, so that it is made when etcd answers.
func (c *Client) connect(ctx context.Context) (api, error) {
	select {
	case <-c.open:
		return c.api, nil
	case <-ctx.Done():
		return api{}, ctx.Err()
	case <-c.opening:
	}
	defer func() { c.opening <- struct{}{} }()
	select {
	case <-c.open:
		return c.api, nil
	default:
	}
	raw, err := clientv3.New(c.cfg)
	if err != nil {
		return api{}, err
	}
	c.api = api{Client: raw, kv: namespace.NewKV(raw.KV, c.prefix), w: namespace.NewWatcher(raw.Watcher, c.prefix)}
	close(c.open)
	return c.api, nil
}

// Close ends the connection; calls that are under way fail.
func (c *Client) Close() error {
	<-c.opening // no connection is made after it
	select {
	case <-c.open:
		if err := c.api.Close(); !errors.Is(err, context.Canceled) {
			return err
		}
	default:
	}
	return nil
}

// Get reads a key, or with clientv3.WithPrefix the keys that begin with it.
func (c *Client) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (r *clientv3.GetResponse, err error) {
	err = c.call(ctx, func(ctx context.Context, a api) error { r, err = a.kv.Get(ctx, key, opts...); return err })
	return r, err
}

// Put writes a key.
func (c *Client) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) error {
	return c.call(ctx, func(ctx context.Context, a api) error { _, err := a.kv.Put(ctx, key, value, opts...); return err })
}

// Reserve writes a key for a while if there is none, and reports whether it did.
func (c *Client) Reserve(ctx context.Context, key, value string, ttl time.Duration) (made bool, err error) {
	err = c.call(ctx, func(ctx context.Context, a api) error {
		lease, err := a.Grant(ctx, int64(ttl/time.Second))
		if err != nil {
			return err
		}
		absent := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
		r, err := a.kv.Txn(ctx).If(absent).Then(clientv3.OpPut(key, value, clientv3.WithLease(lease.ID))).Commit()
		if made = err == nil && r.Succeeded; err == nil && !made {
			_, err = a.Revoke(ctx, lease.ID)
		}
		return err
	})
	return made, err
}

// Delete removes a key, or with clientv3.WithPrefix or clientv3.WithRange those of a range, and returns how many there were.
func (c *Client) Delete(ctx context.Context, key string, opts ...clientv3.OpOption) (n int64, err error) {
	err = c.call(ctx, func(ctx context.Context, a api) error {
		r, err := a.kv.Delete(ctx, key, opts...)
		if err == nil {
			n = r.Deleted
		}
		return err
	})
	return n, err
}

// Txn runs then if all of conditions hold, else otherwise. Nothing else runs in between.
func (c *Client) Txn(ctx context.Context, conditions []clientv3.Cmp, then, otherwise []clientv3.Op) (r *clientv3.TxnResponse, err error) {
	err = c.call(ctx, func(ctx context.Context, a api) error {
		r, err = a.kv.Txn(ctx).If(conditions...).Then(then...).Else(otherwise...).Commit()
		return err
	})
	return r, err
}

// Watch returns the changes of a key, or of a range, until ctx ends. A response with an error ends it: the caller reads again and begins
// another one.
func (c *Client) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) (clientv3.WatchChan, error) {
	a, err := c.connect(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	return a.w.Watch(clientv3.WithRequireLeader(ctx), key, opts...), nil // without a leader it would wait for ever
}

// Servers queries the state of each endpoint: nil, or why it can't be used.
func (c *Client) Servers(ctx context.Context) map[string]error {
	out := map[string]error{}
	for _, endpoint := range c.cfg.Endpoints {
		out[endpoint] = c.call(ctx, func(ctx context.Context, a api) error {
			r, err := a.Status(ctx, endpoint)
			if err == nil && len(r.Errors) > 0 {
				err = errors.New(strings.Join(r.Errors, "; "))
			}
			return err
		})
	}
	return out
}

// call runs one call with a time limit.
func (c *Client) call(ctx context.Context, f func(context.Context, api) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := c.connect(ctx)
	if err == nil {
		err = f(ctx, a)
	}
	return unavailable(err)
}

// unavailable wraps ErrUnavailable around errors that mean that etcd did not answer. What etcd refused is returned as it is.
func unavailable(err error) error {
	var answer rpctypes.EtcdError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && answer.Code() != codes.Unavailable:
		return fmt.Errorf("etcd: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w within %s", ErrUnavailable, callTimeout)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
