package daemon

import (
	"crypto/md5"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/trust"
)

// BenchmarkWrongAuthorization measures how long a wrong Digest answer takes for phones with a record and for MACs without one, in
// turn, with records on disk: the medians must not show which is which. Each MAC and each address is requested once, so that no limit
// applies. Compare known-ns with unknown-ns.
func BenchmarkWrongAuthorization(b *testing.B) {
	r := start(b, strings.Replace(testConfig, "trust: [open]", "trust: [credentials]", 1))
	const phones = 1000
	mac := func(i int, known bool) dhcp.MAC {
		m := dhcp.MAC{0x00, 0x15, 0x65, 0x50, byte(i >> 8), byte(i)}
		if !known {
			m[3] = 0x70
		}
		return m
	}
	err := r.store.Edit("test", "phones", func(e fleet.Edit) error {
		for i := range phones {
			m := mac(i, true)
			if err := e.PutDevice(&fleet.Device{MAC: m, Vendor: "yealink", Model: "T46U", Enabled: true, Credentials: trust.NewCredentials(m)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var took [2][]float64
	n := 0
	for b.Loop() {
		for j := range 2 {
			i := (j + n) % 2 // neither is always the first
			known := i == 0
			m := mac(n%phones, known)
			q := provision.Request{Transport: fleet.HTTP, Method: "GET", Name: m.Hex() + ".cfg", From: netip.AddrFrom4([4]byte{127, byte(1 + n>>16), byte(n >> 8), byte(n)})}
			q.Time = time.Now()
			challenge := r.service.Answer(b.Context(), q)
			q.Authorization = wrongDigest(challenge.Challenge, m.Hex(), "/"+q.Name)
			began := time.Now()
			a := r.service.Answer(b.Context(), q)
			took[i] = append(took[i], float64(time.Since(began).Nanoseconds()))
			if challenge.Challenge == "" || a.Outcome != provision.Refused || !strings.Contains(a.Reason, "user or password are wrong") {
				b.Fatalf("%+v", a)
			}
		}
		n++
	}
	for i, name := range []string{"known-ns", "unknown-ns"} {
		slices.Sort(took[i])
		b.ReportMetric(took[i][len(took[i])/2], name)
	}
}

// wrongDigest answers a Digest challenge (RFC 7616) with a wrong password.
func wrongDigest(challenge, user, uri string) string {
	_, nonce, _ := strings.Cut(challenge, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	md := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	response := md(md(user+":plugtone:wrong") + ":" + nonce + ":00000001:abc:auth:" + md("GET:"+uri))
	return fmt.Sprintf(`Digest username="%s", realm="plugtone", nonce="%s", uri="%s", qop=auth, nc=00000001, cnonce="abc", response="%s"`, user, nonce, uri, response)
}
