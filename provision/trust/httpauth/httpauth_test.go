package httpauth

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	now  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	from = netip.MustParseAddr("192.0.2.7")
)

func issuer() *Issuer { return NewIssuer([]byte("a secret key")) }

// md is MD5 in hex, written here once more so that a slip in Proves isn't repeated.
func md(s string) string  { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
func sha(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

func TestExampleOfRFC7616(t *testing.T) {
	// RFC 7616, 3.9.1, has another realm: the digests below have the same computation with ours; here only the header is parsed.
	a, ok := Parse(`Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5, ` +
		`nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", ` +
		`qop=auth, response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
	if !ok || a.User != "Mufasa" || a.params["nc"] != "00000001" || a.params["qop"] != "auth" {
		t.Errorf("%+v %v", a, ok)
	}
	if a.Proves("Circle of Life", "GET") {
		t.Error("a digest for another realm proves something here")
	}
}

func TestDigestOfEveryOldStack(t *testing.T) {
	nonce := issuer().Nonce(now, from)
	ha1, ha2 := md("u:plugtone:pw"), md("GET:/x.cfg")
	for _, tt := range []struct{ name, header string }{
		{"qop auth", fmt.Sprintf(`Digest username="u", realm="plugtone", nonce="%s", uri="/x.cfg", qop=auth, nc=00000001, cnonce="c", response="%s"`, nonce, md(ha1+":"+nonce+":00000001:c:auth:"+ha2))},
		{"count used before", fmt.Sprintf(`Digest username="u", realm="plugtone", nonce="%s", uri="/x.cfg", qop=auth, nc=00000001, cnonce="c", response="%s"`, nonce, md(ha1+":"+nonce+":00000001:c:auth:"+ha2))},
		{"no qop, as in RFC 2069", fmt.Sprintf(`Digest username="u", realm="plugtone", nonce="%s", uri="/x.cfg", response="%s"`, nonce, md(ha1+":"+nonce+":"+ha2))},
		{"any case and order, qop quoted", fmt.Sprintf(`DIGEST Response="%s",QOP="auth" , NC=1,CNonce=c, URI="/x.cfg",Nonce=%s, USERNAME=u`, strings.ToUpper(md(ha1+":"+nonce+":1:c:auth:"+ha2)), nonce)},
		{"session", fmt.Sprintf(`Digest username="u", nonce="%s", uri="/x.cfg", algorithm=MD5-sess, qop=auth, nc=1, cnonce="c", response="%s"`, nonce, md(md(ha1+":"+nonce+":c")+":"+nonce+":1:c:auth:"+ha2))},
		{"SHA-256", fmt.Sprintf(`Digest username="u", nonce="%s", uri="/x.cfg", algorithm=SHA-256, qop=auth, nc=1, cnonce="c", response="%s"`, nonce, sha(sha("u:plugtone:pw")+":"+nonce+":1:c:auth:"+sha("GET:/x.cfg")))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, ok := Parse(tt.header)
			if !ok || a.User != "u" || a.Scheme != Digest || !a.Fresh(issuer(), now, from) {
				t.Fatalf("%+v %v", a, ok)
			}
			if path, ok := a.Path(); path != "/x.cfg" || !ok {
				t.Errorf("path %q", path)
			}
			if !a.Proves("pw", "GET") {
				t.Error("the right password proves nothing")
			}
			if a.Proves("pW", "GET") || a.Proves("pw", "PUT") || a.Proves("", "GET") {
				t.Error("a wrong password or method proves something")
			}
		})
	}
}

func TestBasicProvesThePassword(t *testing.T) {
	a, ok := Parse("basic " + base64.StdEncoding.EncodeToString([]byte("u:p:w")))
	if !ok || a.Scheme != Basic || a.User != "u" || !a.Proves("p:w", "GET") || a.Proves("p", "GET") || !a.Fresh(issuer(), now, from) {
		t.Errorf("%+v %v", a, ok)
	}
	if _, any := a.Path(); any {
		t.Error("basic is bound to a path")
	}
}

func TestMalformedHeadersAreNoCredentials(t *testing.T) {
	for _, s := range []string{"", "Basic", "Basic !!!", "Basic dXNlcg==", "Bearer x", "Digest", `Digest username="u`, "Digest username", `Digest username="u", nonce="n", uri="/"`,
		`Digest nonce="n", uri="/", response="r"`, "Digest " + strings.Repeat("a=b,", 1000)} {
		if a, ok := Parse(s); ok {
			t.Errorf("%.40q is an answer: %+v", s, a)
		}
	}
	if a, ok := Parse(`Digest username="u", nonce="n", uri="/", response="r", qop=auth-int`); !ok || a.Proves("pw", "GET") {
		t.Error("auth-int proves something")
	}
	if a, ok := Parse(`Digest username="u", nonce="n", uri="/", response="r", algorithm=CRC`); !ok || a.Proves("pw", "GET") {
		t.Error("an unknown algorithm proves something")
	}
}

func TestNonceExpires(t *testing.T) {
	i := issuer()
	nonce := i.Nonce(now, from)
	for _, tt := range []struct {
		name  string
		nonce string
		at    time.Time
		from  netip.Addr
		fresh bool
	}{
		{"at once", nonce, now, from, true},
		{"just in time", nonce, now.Add(Lifetime - time.Second), from, true},
		{"too late", nonce, now.Add(Lifetime), from, false},
		{"clock set back a little", nonce, now.Add(-3 * time.Second), from, true},
		{"from the future", nonce, now.Add(-time.Minute), from, false},
		{"another requester", nonce, now, netip.MustParseAddr("192.0.2.8"), false},
		{"another issuer", NewIssuer([]byte("other")).Nonce(now, from), now, from, false},
		{"no nonce of ours", "zz", now, from, false},
		{"cut off", nonce[:20], now, from, false},
		{"changed time", "0" + "1" + nonce[2:], now, from, false},
	} {
		if got := i.Fresh(tt.nonce, tt.at, tt.from); got != tt.fresh {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if NewIssuer([]byte("a secret key")).Nonce(now, from) != nonce {
		t.Error("nonces hold state")
	}
}

func TestIssuersWithOneKeyAcceptEachOthersNonces(t *testing.T) {
	a, b := NewIssuer([]byte("of the cluster")), NewIssuer([]byte("of the cluster"))
	if !b.Fresh(a.Nonce(now, from), now, from) {
		t.Error("the nonce of another member is refused")
	}
	if NewIssuer(nil).Fresh(NewIssuer(nil).Nonce(now, from), now, from) {
		t.Error("issuers without a key have the same")
	}
}

func TestChallengeOfEachScheme(t *testing.T) {
	i := issuer()
	if c := i.Challenge(Digest, now, from, false); strings.Count(c, "Digest ") != 1 || !strings.Contains(c, "algorithm=MD5") || strings.Contains(c, "stale") {
		t.Error(c)
	}
	if c := strings.Split(i.Challenge(DigestSHA256, now, from, true), "\n"); len(c) != 2 || !strings.Contains(c[0], "SHA-256, stale=true") || !strings.Contains(c[1], "MD5, stale=true") {
		t.Error(c)
	}
	if c := i.Challenge(Basic, now, from, true); c != `Basic realm="plugtone"` {
		t.Error(c)
	}
	if c := i.Challenge(None, now, from, false); c != "" {
		t.Error(c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Digest username="u", nonce="n", uri="/", response="r"`)
	f.Add("Basic dXNlcjpwYXNz")
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := Parse(s)
		if !ok {
			return
		}
		a.Path()
		if a.Scheme == Digest && a.Proves("a password that is not guessed", "GET") {
			t.Errorf("%q proves something", s)
		}
	})
}
