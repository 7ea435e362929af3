package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestEveryAnswerHasASecurityPolicy: redirects, errors and files as well as pages.
func TestEveryAnswerHasASecurityPolicy(t *testing.T) {
	a := newAPI(t)
	h := a.Server(t).Handler()
	for _, path := range []string{"/", "/login", "/phones", "//phones", "/phones/../phones", "/nothing", "/assets/nothing", "/assets/000000000000/style.css", "/docs", "/openapi.json", "/healthz", "/metrics", "/api/v1/devices", "/api/v1/nothing"} {
		for host, wrong := range map[string]bool{"localhost": false, "evil.example": true} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			r.Header.Set("Accept", "text/html")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src") {
				t.Errorf("%s at %s: %d with the policy %q", path, host, w.Code, policy)
			}
			if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("%s at %s: X-Content-Type-Options %q", path, host, got)
			}
			if wrong != (w.Code == http.StatusMisdirectedRequest) {
				t.Errorf("%s at %s: %d", path, host, w.Code)
			}
		}
	}
}
