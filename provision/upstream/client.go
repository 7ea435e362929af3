// Package upstream requests phones' files from the PBX that renders them. Package provision decides who may have a file; this package
// only fetches it, from the first PBX of a list that answers, and stores the last answer for the time when none does.
//
// A PBX is trusted to render, and with nothing else: its answer is bounded in size and time, a redirect is followed on its own host
// only, and a PBX that is slow or down holds up the phones of no other.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/internal/callgroup"
	"plugtone/provision/sealedfile"
)

// Outcome is what became of a request, for the metrics.
type Outcome string

// The outcomes of one request to one PBX, and Last for an old answer that was sent instead.
const (
	Answered    Outcome = "answered"
	NotFound    Outcome = "not_found"   // the PBX has no such file for the phone: 404 and other client errors
	Login       Outcome = "login"       // 401: user or password are missing or wrong
	Failed      Outcome = "failed"      // 5xx, a refused redirect, an invalid answer
	TooLarge    Outcome = "too_large"   // more than Settings.MaxSize
	Timeout     Outcome = "timeout"     // no whole answer within Settings.Timeout
	Unreachable Outcome = "unreachable" // no connection
	Skipped     Outcome = "skipped"     // not requested: it failed a moment ago
	Last        Outcome = "last"        // the last answer was sent, because no PBX answered
)

// Config has the dependencies of a Client. All members but Dir and Cipher are required.
type Config struct {
	Settings func() *Settings  // in force; the same pointer until they change
	Dir      *os.Root          // where the last answers are; nil: none are stored
	Cipher   sealedfile.Cipher // encrypts them; nil: they are stored in clear
	Counted  func(pbx string, o Outcome)
	Now      func() time.Time
	Log      *slog.Logger
}

// Client requests files. It is safe for concurrent use.
type Client struct {
	c       Config
	last    store
	flights callgroup.Group[string, Answer]

	mu        sync.Mutex
	pbxs      map[string]*pbx // by scheme, host and port: as many as profiles name
	settings  *Settings       // that transport was made from
	transport *http.Transport
}

// New returns a client.
func New(c Config) *Client {
	return &Client{c: c, last: store{c.Dir, c.Cipher, new(sync.RWMutex)}, pbxs: map[string]*pbx{}}
}

// Request is one file that a phone wants.
type Request struct {
	MAC       dhcp.MAC // of the record
	Name      string   // as the phone requested it, cleaned
	From      netip.Addr
	UserAgent string
	Upstream  fleet.Upstream
}

// Answer is what is known of a file.
type Answer struct {
	Outcome   Outcome // Answered, NotFound, Last, or Failed when there is nothing to send
	PBX       string  // that gave the answer; its host
	Time      time.Time
	Body      []byte // shared: must not be changed
	MediaType string // "" when the PBX sent none
	Digest    string // SHA-256 of Body, hexadecimal
	Trouble   string // why a PBX gave no answer; "" when the first one did
}

// Fetch requests a file. It takes at most twice Settings.Timeout. Requests for the same file at the same time share one, and the answer is
// stored also when the phone has given up meanwhile.
func (c *Client) Fetch(ctx context.Context, r Request) Answer {
	key := r.MAC.String() + "\x00" + r.Name + "\x00" + r.UserAgent + "\x00" + strings.Join(r.Upstream.URLs, "\x00")
	a, err := c.flights.Do(key, func() (Answer, error) { return c.fetch(context.WithoutCancel(ctx), r), nil })
	if err != nil { // a panic of the call that was shared
		return Answer{Outcome: Failed, Trouble: err.Error()}
	}
	return a
}

func (c *Client) fetch(ctx context.Context, r Request) Answer {
	ctx, cancel := context.WithTimeout(ctx, 2*c.c.Settings().Timeout)
	defer cancel()
	var trouble []string
	for i, base := range r.Upstream.URLs {
		p, err := c.pbx(base)
		if err != nil {
			trouble = append(trouble, err.Error())
			continue
		}
		a, err := c.from(ctx, p, base, r)
		if err != nil {
			trouble = append(trouble, p.name+" "+err.Error())
			continue
		}
		a.Trouble = strings.Join(trouble, "; ")
		switch {
		case a.Outcome == Answered:
			err = c.last.put(r.MAC, r.Name, base, a)
		case i == 0: // that of another PBX may only lack what the first one has
			err = c.last.remove(r.MAC, r.Name)
		}
		if err != nil {
			c.c.Log.Warn("store the answer of a PBX", "mac", r.MAC, "file", r.Name, "err", err)
		}
		return a
	}
	a, ok := c.Last(r.MAC, r.Name, r.Upstream)
	if !ok {
		return Answer{Outcome: Failed, Trouble: strings.Join(trouble, "; ")}
	}
	c.c.Counted(a.PBX, Last)
	a.Trouble = strings.Join(trouble, "; ")
	return a
}

// Last returns the last answer of one of the PBXs to a request of the phone for the file; ok is false when none is stored.
func (c *Client) Last(mac dhcp.MAC, name string, u fleet.Upstream) (a Answer, ok bool) {
	a, err := c.last.get(mac, name, u.URLs)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.c.Log.Warn("read the last answer of a PBX", "mac", mac, "file", name, "err", err)
	}
	return a, err == nil
}

// Tidy removes the answers of phones for which keep returns false, and the oldest when all take more than 1 GiB.
func (c *Client) Tidy(keep func(dhcp.MAC) bool) error { return c.last.tidy(keep) }

// State is how a PBX answered last.
type State struct {
	Name     string
	Trouble  string    // why it gave no answer to the last request; "" when it did
	Since    time.Time // when it last began to give none
	FailedAt time.Time // of the last request
}

// State returns how the PBX at an URL answered last; ok is false when nothing was requested of it.
func (c *Client) State(base string) (s State, ok bool) {
	p, err := c.pbx(base)
	if err != nil {
		return s, false
	}
	return p.state()
}

// pbx returns the PBX at an URL.
func (c *Client) pbx(base string) (*pbx, error) {
	u, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	key := u.Scheme + "://" + u.Host
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pbxs[key]
	if p == nil {
		p = newPBX(u.Host)
		c.pbxs[key] = p
	}
	return p, nil
}

// from requests the file of one PBX.
func (c *Client) from(ctx context.Context, p *pbx, base string, r Request) (Answer, error) {
	settings := c.c.Settings()
	ctx, cancel := context.WithTimeout(ctx, settings.Timeout)
	defer cancel()
	if err := p.begin(ctx, c.c.Now()); err != nil {
		c.c.Counted(p.name, err.outcome)
		return Answer{}, err
	}
	a, err := exchange{client: c.httpClient(settings), settings: settings, request: r}.get(ctx, base)
	if ctx.Err() != nil && err != nil && err.outcome != TooLarge {
		err = &failure{Timeout, fmt.Sprintf("gave no whole answer within %s", settings.Timeout)}
	}
	p.end(c.c.Now(), err)
	if err != nil {
		c.c.Counted(p.name, err.outcome)
		return Answer{}, err
	}
	c.c.Counted(p.name, a.Outcome)
	a.PBX, a.Time = p.name, c.c.Now().UTC()
	return a, nil
}

// httpClient returns a client that follows no redirect, with the connections of the settings in force.
func (c *Client) httpClient(s *Settings) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport == nil || c.settings != s {
		if c.transport != nil {
			c.transport.CloseIdleConnections()
		}
		c.settings, c.transport = s, s.transport()
	}
	return &http.Client{Transport: c.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
