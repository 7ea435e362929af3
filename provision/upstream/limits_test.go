package upstream_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/upstream"
)

// slow returns a PBX that does not answer before the test ends, and a channel that gets its requests.
func slow(t *testing.T) (string, chan struct{}) {
	end, requests := make(chan struct{}), make(chan struct{}, 100)
	url := pbx(t, func(_ http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(end) })
	return url, requests
}

// TestPBXThatFailsIsLeftAlone: after three requests in a row without an answer, phones get the last answer at once. Ten seconds later one
// request tries it.
func TestPBXThatFailsIsLeftAlone(t *testing.T) {
	f := newFixture(t)
	f.settings.Timeout = 2 * time.Second
	url, requests := slow(t)
	second := pbx(t, says("second"))
	for range 3 {
		want(t, f.get(url, second), upstream.Answered, "second", "gave no whole answer within 2s")
	}
	want(t, f.get(url, second), upstream.Answered, "second", "is not requested again before 2026-11-22T12:00:10Z: at 2026-11-22T12:00:00Z it gave no whole answer")
	if len(requests) != 3 || f.count(upstream.Timeout) != 3 || f.count(upstream.Skipped) != 1 {
		t.Errorf("%d requests, counted %v", len(requests), f.counted)
	}
	f.pass(10 * time.Second)
	want(t, f.get(url, second), upstream.Answered, "second", "gave no whole answer")
	want(t, f.get(url, second), upstream.Answered, "second", "is not requested again before 2026-11-22T12:00:20Z")
	if len(requests) != 4 {
		t.Errorf("%d requests, want one after the pause", len(requests))
	}
}

// TestErrorOfOneFileDoesNotStopOthers: a PBX whose template for one model fails renders the others.
func TestErrorOfOneFileDoesNotStopOthers(t *testing.T) {
	f := newFixture(t)
	url := pbx(t, status(500))
	for range 5 {
		want(t, f.get(url), upstream.Failed, "", "answers 500")
	}
	if f.count(upstream.Skipped) != 0 || f.count(upstream.Failed) != 5 {
		t.Errorf("counted %v", f.counted)
	}
}

func TestRequestsForOneFileShareOne(t *testing.T) {
	f := newFixture(t)
	var n atomic.Int32
	release, requested := make(chan struct{}), make(chan struct{}, 20)
	url := pbx(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		requested <- struct{}{}
		<-release
		fmt.Fprint(w, "config")
	})
	var all sync.WaitGroup
	started := make(chan struct{}, 20)
	for range 20 {
		all.Go(func() {
			started <- struct{}{}
			want(t, f.get(url), upstream.Answered, "config", "")
		})
	}
	for range 20 {
		<-started
	}
	<-requested
	close(release)
	all.Wait()
	if n.Load() > 10 { // some may have begun after the answer
		t.Errorf("%d requests", n.Load())
	}
}

// TestSlowPBXHoldsUpNoOther: phones of another PBX get their files while the slow one has as many requests as it may.
func TestSlowPBXHoldsUpNoOther(t *testing.T) {
	f := newFixture(t)
	end, requests := make(chan struct{}), make(chan struct{}, 100)
	url := pbx(t, func(http.ResponseWriter, *http.Request) { requests <- struct{}{}; <-end })
	fast := pbx(t, says("config"))
	var all sync.WaitGroup
	f.settings.Timeout = time.Minute
	for i := range 30 {
		all.Go(func() {
			f.Fetch(t.Context(), upstream.Request{MAC: phone, Name: fmt.Sprintf("%d.cfg", i), From: netip.MustParseAddr("10.20.1.7"), Upstream: fleet.Upstream{URLs: []string{url}}})
		})
	}
	for range 16 {
		<-requests
	}
	want(t, f.get(fast), upstream.Answered, "config", "")
	if more := len(requests); more > 0 {
		t.Errorf("the slow PBX got %d requests at a time, want 16", 16+more)
	}
	close(end)
	all.Wait()
}

func TestLoginToThePBXByBasicAndDigest(t *testing.T) {
	f := newFixture(t)
	md5sum := func(parts ...string) string {
		sum := md5.Sum([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(sum[:])
	}
	field := func(h, name string) string {
		m := regexp.MustCompile(name + `="?([^",]+)`).FindStringSubmatch(h)
		if m == nil {
			return ""
		}
		return m[1]
	}
	password := "s3cret"
	digest := pbx(t, func(w http.ResponseWriter, r *http.Request) { // RFC 2617, 3.2.2.1
		h := r.Header.Get("Authorization")
		want := md5sum(md5sum("provision", "PBX", password), "n0nce", field(h, "nc"), field(h, "cnonce"), "auth", md5sum("GET", r.URL.RequestURI()))
		if h == "" || field(h, "response") != want {
			w.Header().Set("WWW-Authenticate", `Digest realm="PBX", nonce="n0nce", qop="auth", algorithm=MD5`)
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, "digest")
	})
	basic := pbx(t, func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != "provision" || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="PBX"`)
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, "basic")
	})
	want(t, f.get(digest), upstream.Answered, "digest", "")
	want(t, f.get(basic), upstream.Answered, "basic", "")
	password = "changed"
	want(t, f.get(basic), upstream.Last, "basic", "does not accept upstream_user and upstream_password of the profile (401)")
	a := f.Fetch(f.t.Context(), upstream.Request{MAC: phone, Name: "other.cfg", Upstream: fleet.Upstream{URLs: []string{basic}}})
	want(t, a, upstream.Failed, "", "set upstream_user and upstream_password")
	if f.count(upstream.Login) != 2 {
		t.Errorf("counted %v", f.counted)
	}
}
