// Package admin serves the admin API: its listeners, who may call it, the admin page, and what is beside them (OpenAPI document, health, metrics).
// The operations are in admin/api. It reads no configuration file and stores nothing; package daemon
// provides both.
package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/leaseapi"
	"plugtone/admin/pbxapi"
	"plugtone/admin/recent"
	"plugtone/admin/resyncapi"
)

// Config is everything a Server needs. All members are required except those marked optional.
type Config struct {
	Listen  []string        // unix:PATH or HOST:PORT
	Hosts   func() []string // optional; names of this host that a Host header may have, besides addresses and localhost
	TLS     *tls.Config     // optional; required for TCP addresses other than loopback
	Version string
	Metrics prometheus.Gatherer
	API     api.Config
	Jobs    resyncapi.Jobs
	PBX     pbxapi.Sources
	Table   leaseapi.Table
	Recent  *recent.Recent
	Cluster func(context.Context) client.ClusterStatus // optional; nil: a single appliance
}

// Server is the admin API on its listeners.
type Server struct {
	cfg     Config
	api     huma.API
	mux     *http.ServeMux
	openapi []byte
	listen  []listenAddr
	// notFound is the page's answer to a path that does not exist.
	notFound http.HandlerFunc
}

// New checks c and builds the API. Nothing listens before Run.
func New(c Config) (*Server, error) {
	listen, errs := parseListen(c.Listen, c.TLS != nil)
	if err := c.API.Missing(); err != nil {
		errs = append(errs, err)
	}
	if c.Jobs == nil || c.PBX == nil || c.Table == nil || c.Recent == nil {
		errs = append(errs, errors.New("admin configuration lacks Jobs, PBX, Table or Recent"))
	}
	if c.Metrics == nil {
		errs = append(errs, errors.New("admin configuration lacks Metrics"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := &Server{cfg: c, mux: http.NewServeMux(), listen: listen}
	if err := s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}
