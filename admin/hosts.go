package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"plugtone/admin/problem"
)

// allowHosts answers 421 when the Host header names neither an address, nor localhost, nor one of names. All other requests go to next.
// This stops DNS rebinding: a foreign page whose DNS name points to this host makes the browser send that name. Browsers always send Host,
// so requests without it pass.
func allowHosts(names func() []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "" && !allowedHost(hostName(r.Host), names) {
			problem.Write(w, http.StatusMisdirectedRequest, "the URL names another host; use this host's address or name, or add the name to admin.hosts")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func allowedHost(name string, names func() []string) bool {
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return true
	}
	return names != nil && slices.ContainsFunc(names(), func(n string) bool { return strings.EqualFold(hostName(n), name) })
}

// hostName returns the name in a Host header in lower case, without port, brackets and final dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// MetricsHandler serves /metrics alone, with the same check of the Host header as the API.
func MetricsHandler(names func() []string, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	return allowHosts(names, mux)
}
