package admin

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"plugtone/admin/access"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/clusterapi"
	"plugtone/admin/devicelist"
	"plugtone/admin/fleetapi"
	"plugtone/admin/leaseapi"
	"plugtone/admin/networkapi"
	"plugtone/admin/openapi"
	"plugtone/admin/pbxapi"
	"plugtone/admin/problem"
	"plugtone/admin/resyncapi"
	"plugtone/admin/web"
	"plugtone/admin/web/login"
	"plugtone/admin/web/session"
	"plugtone/admin/writing"
)

// docsPage shows /openapi.json. It loads nothing from other hosts, because there may be no internet.
//
//go:embed docs.html
var docsPage []byte

const (
	apiPrefix    = "/api/"
	noContent    = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	docsSecurity = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// routes builds the API and the pages beside it.
func (s *Server) routes() error {
	c := huma.DefaultConfig("plugtone", s.cfg.Version)
	c.Info = openapi.Info(s.cfg.Version)
	// Their defaults load scripts from other hosts, add $schema members, and build the document at the first request.
	c.DocsPath, c.SchemasPath, c.OpenAPIPath = "", "", ""
	c.CreateHooks = nil
	c.Transformers = []huma.Transformer{problem.Shorten}
	c.RejectUnknownQueryParameters = true
	c.FieldsOptionalByDefault = true // provision checks required members and names them
	s.api = humago.New(s.mux, c)
	s.api.UseMiddleware(access.Require(s.api), writing.Options)

	api.Register(s.api, s.cfg.API)
	devicelist.Register(s.api, devicelist.Config{Index: s.cfg.API.Index, Packs: s.cfg.API.Packs})
	fleetapi.Register(s.api, s.cfg.API)
	pbxapi.Register(s.api, pbxapi.Config{Sources: s.cfg.PBX, Writer: s.cfg.API.Writer()})
	resyncapi.Register(s.api, resyncapi.Config{Records: s.cfg.API.Records, Jobs: s.cfg.Jobs, Select: s.cfg.API.Index.Select, Changed: s.cfg.API.Writer().Phones, Audit: s.cfg.API.Audit.RecordAudit, Now: s.cfg.API.Now})
	leaseapi.Register(s.api, leaseapi.Config{Config: s.cfg.API, Table: s.cfg.Table})
	clusterapi.Register(s.api, s.clusterStatus)
	networkapi.Register(s.api, networkapi.Config{Recent: s.cfg.Recent, Now: s.cfg.API.Now})
	sessions := &session.Sessions{Now: s.cfg.API.Now, Token: s.cfg.API.Tokens.TokenByHash}
	login.RegisterOperation(s.api, login.OperationConfig{Sessions: sessions, Listen: s.cfg.Listen, TLS: s.cfg.TLS != nil, Hosts: s.cfg.Hosts, Audit: s.cfg.API.Audit.RecordAudit})
	openapi.Complete(s.api.OpenAPI())
	var err error
	s.notFound, err = web.Register(web.Config{Mux: s.mux, API: http.HandlerFunc(s.fromPage), Sessions: sessions, Now: s.cfg.API.Now, Log: s.cfg.API.Log, Version: s.cfg.Version})
	if err != nil {
		return err
	}
	return s.pages()
}

// clusterStatus returns the state of the cluster.
func (s *Server) clusterStatus(ctx context.Context) client.ClusterStatus {
	if s.cfg.Cluster == nil {
		return client.ClusterStatus{}
	}
	return s.cfg.Cluster(ctx)
}

// fromPage answers the calls that the page makes in this process. The session's user is in their context; contexts of requests from the
// network never have one.
func (s *Server) fromPage(w http.ResponseWriter, r *http.Request) {
	defer s.recovered(w, r)
	if access.Of(r.Context()).Role == access.None || !strings.HasPrefix(r.URL.Path, apiPrefix) {
		s.refuse(w, errNoToken)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// InProcess answers API calls whose caller is in their context already.
func (s *Server) InProcess() http.Handler { return http.HandlerFunc(s.fromPage) }

// pages registers the paths that need no token. Their answers are the same for all callers and contain no device.
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
		if err := s.cfg.API.Ready(); err != nil {
			problem.Write(w, http.StatusServiceUnavailable, "degraded: "+err.Error())
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ready\n"))
	})
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{}))
	return nil
}

// Handler answers all requests. Callers need a token and a Host header that names this host, except on unix sockets, for which Run sets a
// context value.
func (s *Server) Handler() http.Handler {
	all := s.handler()
	checked := allowHosts(s.cfg.Hosts, all)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", noContent) // pages set their own; redirects and errors keep it
		w.Header().Set("X-Content-Type-Options", "nosniff")
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
			r = r.WithContext(access.With(r.Context(), c))
			w.Header().Set("Cache-Control", "no-store")
		}
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
		s.cfg.API.Log.Error("token lookup failed", "err", err)
		w.Header().Set("Retry-After", problem.RetryAfter)
		problem.Write(w, http.StatusServiceUnavailable, "the token can't be checked: "+err.Error())
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="plugtone"`)
	problem.Write(w, http.StatusUnauthorized, "a valid token is needed")
}

// unmatched answers a path or method that does not exist with a problem document instead of the mux's text.
func (s *Server) unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) {
	rec := headerRecorder{header: http.Header{}}
	h.ServeHTTP(&rec, r)
	if rec.code != http.StatusMethodNotAllowed && strings.Contains(r.Header.Get("Accept"), "text/html") {
		s.notFound(w, r)
		return
	}
	if rec.code != http.StatusMethodNotAllowed {
		problem.Write(w, http.StatusNotFound, "no such path; /docs lists all")
		return
	}
	allow := rec.header.Get("Allow")
	w.Header().Set("Allow", allow)
	problem.Write(w, rec.code, r.Method+" is not allowed for this path; allowed: "+allow)
}

// headerRecorder records the status and header of an answer and drops its body.
type headerRecorder struct {
	header http.Header
	code   int
}

func (h *headerRecorder) Header() http.Header         { return h.header }
func (h *headerRecorder) Write(b []byte) (int, error) { return len(b), nil }
func (h *headerRecorder) WriteHeader(code int)        { h.code = code }

// recovered logs a panic in a handler and answers 500, so that the daemon keeps running.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.cfg.API.Log.Error("admin request panicked", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
	problem.Write(w, http.StatusInternalServerError, "internal error; the log has the details")
}
