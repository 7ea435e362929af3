package admin

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// docsPage reads /openapi.json and shows it. It loads nothing from anywhere else: the appliance may be offline.
//
//go:embed docs.html
var docsPage []byte

const (
	maxBody      = 1 << 20
	bodyTimeout  = 30 * time.Second
	apiPrefix    = "/api/"
	docsSecurity = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// routes builds the API and the pages beside it.
func (s *Server) routes() error {
	c := huma.DefaultConfig("plugtone", s.cfg.Version)
	c.Info.Description = "Devices, extensions, leases and what happened to each phone. Errors are RFC 9457 problem documents. " +
		"Secrets are left out, and *** stands for vendor settings that may be secrets: written back, it keeps the value."
	// These three would load scripts from elsewhere, add $schema members, and build the document at the first request.
	c.DocsPath, c.SchemasPath, c.OpenAPIPath = "", "", ""
	c.CreateHooks = nil
	c.Transformers = []huma.Transformer{shortened}
	c.RejectUnknownQueryParameters = true
	c.FieldsOptionalByDefault = true // what a record needs is provision's to say, by name
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	s.api = humago.New(s.mux, c)
	s.api.UseMiddleware(s.requires)

	s.registrarRoutes()
	s.extensionRoutes()
	s.deviceRoutes()
	s.phoneRoutes()
	s.profileRoutes()
	s.networkRoutes()
	s.vendorRoutes()
	s.operationRoutes()
	s.trustRoutes()
	return s.pages()
}

// pages are what stands beside the API and needs no token: it is the same for everybody, or holds no names.
func (s *Server) pages() error {
	doc, err := json.MarshalIndent(s.api.OpenAPI(), "", " ")
	if err != nil {
		return err
	}
	s.openapi = doc
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(s.openapi)
	})
	s.mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", docsSecurity)
		w.Write(docsPage)
	})
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.cfg.Ready(); err != nil {
			writeProblem(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ready\n"))
	})
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{}))
	return nil
}

// Handler answers all requests. Without a context value that says otherwise (Run sets it for unix sockets), callers
// need a token and a Host header that names this host.
func (s *Server) Handler() http.Handler {
	all := s.handler()
	checked := allowHosts(s.cfg.Hosts, all)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local, _ := r.Context().Value(localKey{}).(bool); local {
			all.ServeHTTP(w, r) // no browser connects to a unix socket
			return
		}
		checked.ServeHTTP(w, r)
	})
}

func (s *Server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(w, r)
		if strings.HasPrefix(r.URL.Path, apiPrefix) {
			c, err := s.identify(r)
			if err != nil {
				s.refuse(w, err)
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
			w.Header().Set("Cache-Control", "no-store")
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h, pattern := s.mux.Handler(r)
		if pattern == "" {
			s.unmatched(w, r, h)
			return
		}
		s.mux.ServeHTTP(w, r)
	})
}

// refuse answers a caller without a valid token.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	if !errors.Is(err, errNoToken) {
		s.cfg.Log.Error("token lookup failed", "err", err)
		w.Header().Set("Retry-After", retryAfter)
		writeProblem(w, http.StatusServiceUnavailable, "tokens can't be looked up: "+err.Error())
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="plugtone"`)
	writeProblem(w, http.StatusUnauthorized, "this address needs an Authorization: Bearer TOKEN header with a valid token")
}

// unmatched answers a path or method that nothing serves: in our form, not the mux's.
func (s *Server) unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) {
	rec := deaf{header: http.Header{}}
	h.ServeHTTP(&rec, r)
	if rec.code != http.StatusMethodNotAllowed {
		writeProblem(w, http.StatusNotFound, "nothing is at this path; /docs lists what is where")
		return
	}
	allow := rec.header.Get("Allow")
	w.Header().Set("Allow", allow)
	writeProblem(w, rec.code, r.Method+" is not for this path; allowed: "+allow)
}

// deaf keeps the status and header of an answer and drops its body.
type deaf struct {
	header http.Header
	code   int
}

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) Write(b []byte) (int, error) { return len(b), nil }
func (d *deaf) WriteHeader(code int)        { d.code = code }

// recovered keeps a fault in one handler from ending the daemon.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.cfg.Log.Error("admin request panicked", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
	writeProblem(w, http.StatusInternalServerError, "internal fault; the log has the details")
}

// op describes one operation.
func op(method, path, id, tag, summary string, need role) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{tag},
		Metadata: map[string]any{"role": need}, Security: []map[string][]string{{"token": {}}},
		MaxBodyBytes: maxBody, BodyReadTimeout: bodyTimeout,
		Description: "Needs the role " + need.String() + ".",
	}
}
