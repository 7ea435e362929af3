package admin_test

import (
	"net/http"
	"strings"
	"testing"
)

// A foreign page whose DNS name points to this host (DNS rebinding) must read nothing.
func TestHostHeaderMustNameThisHost(t *testing.T) {
	a := newAPI(t)
	a.office()
	get := func(path, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequest("GET", a.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Authorization", "Bearer admin")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b := make([]byte, 4096)
		n, _ := res.Body.Read(b)
		return res.StatusCode, string(b[:n])
	}
	for _, path := range []string{"/metrics", "/api/v1/devices", "/openapi.json", "/docs", "/healthz", "/readyz", "/nothing"} {
		for _, host := range []string{"evil.example", "evil.example:8067", "localhost.evil.example", "10.20.0.2.evil.example", "plugtone-a.evil.example", "[evil.example]", "plugtone-a.."} {
			if status, body := get(path, host); status != 421 || !strings.Contains(body, "admin.hosts") || strings.Contains(body, "plugtone_") {
				t.Errorf("%s with Host %s: got %d %.80s, want 421", path, host, status, body)
			}
		}
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.1:8067", "10.20.0.2", "[::1]:8067", "localhost", "localhost:8067", "LOCALHOST", "plugtone-a", "Plugtone-A:8067", "plugtone-a.", "phones.example.net"} {
		for _, path := range []string{"/metrics", "/api/v1/devices"} {
			if status, body := get(path, host); status != 200 {
				t.Errorf("%s with Host %s: got %d %.80s, want 200", path, host, status, body)
			}
		}
	}
}
