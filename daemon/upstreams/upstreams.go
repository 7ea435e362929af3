// Package upstreams connects the client of the PBXs that render files (package upstream) with the daemon: its settings, its folder and
// metrics, and what the status warns of.
package upstreams

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/sealedfile"
	"plugtone/provision/upstream"
)

// tidyEvery is how often answers of phones that need none any more are removed.
const tidyEvery = time.Hour

// Settings reads the part of the configuration about PBXs that render files.
func Settings(c config.Upstream) (*upstream.Settings, error) {
	s := &upstream.Settings{Timeout: c.Timeout, MaxSize: c.MaxSize}
	if c.CAFile == "" {
		return s, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, err
	}
	s.CAs = x509.NewCertPool()
	if !s.CAs.AppendCertsFromPEM(text) {
		return nil, errors.New("has no certificate in PEM form")
	}
	return s, nil
}

// Config has the dependencies. All members but Cipher must be set.
type Config struct {
	Dir        string // of the last answers; it is made
	Settings   func() *upstream.Settings
	Records    fleet.Records
	Cipher     sealedfile.Cipher // encrypts the answers; nil: they are stored in clear
	Registerer prometheus.Registerer
	Now        func() time.Time
	Log        *slog.Logger
}

// Upstreams is the client with what belongs to it.
type Upstreams struct {
	*upstream.Client
	records fleet.Records
	log     *slog.Logger
	dir     *os.Root
	up      *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (u *Upstreams) Describe(ch chan<- *prometheus.Desc) { ch <- u.up }

// Collect implements prometheus.Collector: of each PBX of a profile that was requested, whether it answered last.
func (u *Upstreams) Collect(ch chan<- prometheus.Metric) {
	for _, s := range u.states() {
		up := 1.0
		if s.Trouble != "" {
			up = 0
		}
		ch <- prometheus.MustNewConstMetric(u.up, prometheus.GaugeValue, up, s.Name)
	}
}

// states returns what became of the last requests to the PBXs of profiles.
func (u *Upstreams) states() (all []upstream.State) {
	// What can't be read is warned of elsewhere.
	_ = u.records.View(func(f fleet.View) error {
		for p, err := range f.Profiles() {
			if err != nil {
				return err
			}
			for _, base := range p.Upstream {
				if s, ok := u.State(base); ok && !slices.ContainsFunc(all, func(o upstream.State) bool { return o.Name == s.Name }) {
					all = append(all, s)
				}
			}
		}
		return nil
	})
	return all
}

// Open returns the client, with plugtone_upstream_requests_total registered.
func Open(c Config) (*Upstreams, error) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "plugtone_upstream_requests_total",
		Help: "Requests of phones' files to the PBXs that render them, by PBX and by what became of them."}, []string{"upstream", "outcome"})
	if err := c.Registerer.Register(total); err != nil {
		return nil, err
	}
	up := prometheus.NewDesc("plugtone_upstream_up", "1 when a PBX that renders files answered the last request, else 0.", []string{"upstream"}, nil)
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, err
	}
	count := func(pbx string, o upstream.Outcome) { total.WithLabelValues(pbx, string(o)).Inc() }
	u := &Upstreams{upstream.New(upstream.Config{Settings: c.Settings, Dir: dir, Cipher: c.Cipher, Counted: count, Now: c.Now, Log: c.Log}), c.Records, c.Log, dir, up}
	return u, c.Registerer.Register(u)
}

// Close closes the folder.
func (u *Upstreams) Close() error { return u.dir.Close() }

// Run removes the answers of phones whose files no PBX renders any more, until ctx ends.
func (u *Upstreams) Run(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if err := u.Tidy(u.rendersFor); err != nil {
			u.log.Warn("remove old answers of PBXs", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// rendersFor reports whether a PBX renders the files of a phone. When the records can't be read, its answers stay.
func (u *Upstreams) rendersFor(mac dhcp.MAC) bool {
	keep := true
	err := u.records.View(func(f fleet.View) error {
		d, err := f.Device(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			keep = false
			return nil
		}
		if err != nil {
			return err
		}
		up, err := fleet.UpstreamOf(f, d.Profile)
		if err == nil {
			keep = len(up.URLs) > 0
		}
		return err
	})
	return keep || err != nil
}

// Warnings names the PBXs of profiles that did not answer the last request.
func (u *Upstreams) Warnings() (out []string) {
	for _, s := range u.states() {
		if s.Trouble != "" {
			out = append(out, fmt.Sprintf("PBX %s has not answered since %s: it %s; phones whose files it renders get those of the next PBX of their profile, else its last answers", s.Name, s.Since.UTC().Format(time.RFC3339), s.Trouble))
		}
	}
	return out
}
