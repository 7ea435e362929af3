// Package httpauth makes the challenges that phones get over HTTP and checks their answers: Digest (RFC 7616, 2617 and
// 2069) and Basic (RFC 7617). It has no state: a nonce carries its own time, signed.
//
// It is tolerant of what old stacks do: answers without qop (RFC 2069), a nonce count that stays at 1, an absolute URL
// as uri, parameters in any case and order, quoted or not. The nonce count isn't checked: that would need a memory of
// every nonce, and a nonce is valid for minutes and only for the address that it was given to.
package httpauth

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Realm is part of what a digest is computed from, so it must never change.
const Realm = "plugtone"

// Lifetime is how long a nonce is valid.
const Lifetime = 5 * time.Minute

// skew is by how much a nonce may be from the future, as after the clock was set back.
const skew = 5 * time.Second

// The schemes that a pack may name.
const (
	Digest       = "digest"        // with MD5, which every phone supports that supports Digest
	DigestSHA256 = "digest-sha256" // SHA-256 and MD5: for phones that choose from several challenges
	Basic        = "basic"         // for phones that support nothing else
	None         = "none"          // for phones that answer no challenge
)

// IsDigest reports whether a scheme never sends a password in clear.
func IsDigest(scheme string) bool { return scheme == Digest || scheme == DigestSHA256 }

// Issuer makes challenges and recognises its own nonces.
type Issuer struct{ key []byte }

// NewIssuer returns an issuer that signs its nonces with key, which must stay secret, and accepts those of all issuers with the same key. Without
// a key it makes one.
func NewIssuer(key []byte) *Issuer {
	if len(key) == 0 {
		key = []byte(rand.Text())
	}
	return &Issuer{append([]byte(nil), key...)}
}

const (
	stampSize = 8
	macSize   = 16
)

// Nonce makes a nonce for a requester.
func (i *Issuer) Nonce(now time.Time, from netip.Addr) string {
	b := make([]byte, stampSize, stampSize+macSize)
	binary.BigEndian.PutUint64(b, uint64(now.Unix()))
	return hex.EncodeToString(append(b, i.sign(b, from)...))
}

func (i *Issuer) sign(stamp []byte, from netip.Addr) []byte {
	h := hmac.New(sha256.New, i.key)
	h.Write(stamp)
	a := from.As16()
	h.Write(a[:])
	return h.Sum(nil)[:macSize]
}

// Fresh reports whether nonce was made by this issuer, for this requester, within Lifetime.
func (i *Issuer) Fresh(nonce string, now time.Time, from netip.Addr) bool {
	b, err := hex.DecodeString(nonce)
	if err != nil || len(b) != stampSize+macSize || !hmac.Equal(b[stampSize:], i.sign(b[:stampSize], from)) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	return age >= -skew && age < Lifetime
}

// Challenge returns the WWW-Authenticate headers of a scheme, one a line; "" for None. stale: the phone's last nonce was
// too old, so it should retry with the same password. Phones that ignore the parameter retry as well.
func (i *Issuer) Challenge(scheme string, now time.Time, from netip.Addr, stale bool) string {
	digest := func(algorithm string) string {
		s := `Digest realm="` + Realm + `", nonce="` + i.Nonce(now, from) + `", qop="auth", algorithm=` + algorithm
		if stale {
			s += ", stale=true"
		}
		return s
	}
	switch scheme {
	case Digest:
		return digest("MD5")
	case DigestSHA256:
		return digest("SHA-256") + "\n" + digest("MD5")
	case Basic:
		return `Basic realm="` + Realm + `"`
	}
	return ""
}

// Credentials are what a phone sent in its Authorization header. User is unchecked.
type Credentials struct {
	Scheme string // Digest or Basic
	User   string

	password string            // Basic
	params   map[string]string // Digest
}

// maxHeader bounds the header's length; the longest that phones send is a quarter of it.
const maxHeader = 2048

// Parse reads an Authorization header. It reports false for other schemes and for malformed headers.
func Parse(header string) (Credentials, bool) {
	if len(header) > maxHeader {
		return Credentials{}, false
	}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	switch strings.ToLower(scheme) {
	case Basic:
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		user, password, found := strings.Cut(string(b), ":")
		return Credentials{Scheme: Basic, User: user, password: password}, err == nil && found
	case Digest:
		p, ok := parameters(rest)
		a := Credentials{Scheme: Digest, User: p["username"], params: p}
		return a, ok && a.User != "" && p["nonce"] != "" && p["response"] != "" && p["uri"] != ""
	}
	return Credentials{}, false
}

// parameters reads name=value, name="value" and so on. Of duplicates the first counts.
func parameters(s string) (map[string]string, bool) {
	out := map[string]string{}
	for {
		s = strings.TrimLeft(s, ", \t")
		if s == "" {
			return out, true
		}
		name, rest, found := strings.Cut(s, "=")
		if !found {
			return nil, false
		}
		name, rest = strings.ToLower(strings.TrimSpace(name)), strings.TrimLeft(rest, " \t")
		var value string
		if strings.HasPrefix(rest, `"`) {
			if value, rest, found = quoted(rest[1:]); !found {
				return nil, false
			}
		} else {
			value, rest, _ = strings.Cut(rest, ",")
			value = strings.TrimSpace(value)
		}
		if _, twice := out[name]; !twice {
			out[name] = value
		}
		s = rest
	}
}

// quoted reads up to the closing quote.
func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// Fresh reports whether the credentials answer a challenge that is still valid. Basic answers none.
func (c Credentials) Fresh(i *Issuer, now time.Time, from netip.Addr) bool {
	return c.Scheme == Basic || i.Fresh(c.params["nonce"], now, from)
}

// Path returns the path that a digest was computed for, unescaped. It reports false for Basic, which is for any.
func (c Credentials) Path() (string, bool) {
	if c.Scheme == Basic {
		return "", false
	}
	raw := c.params["uri"]
	if u, err := url.Parse(raw); err == nil && u.Path != "" {
		return u.Path, true
	}
	return raw, true
}

// Proves reports whether the sender has the password. The time it takes does not depend on how much of it is right.
func (c Credentials) Proves(password, method string) bool {
	if c.Scheme == Basic {
		x, y := sha256.Sum256([]byte(c.password)), sha256.Sum256([]byte(password))
		return subtle.ConstantTimeCompare(x[:], y[:]) == 1
	}
	newHash, session, ok := algorithm(c.params["algorithm"])
	if !ok || c.params["realm"] != "" && c.params["realm"] != Realm {
		return false
	}
	h := func(parts ...string) string {
		x := newHash()
		x.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(x.Sum(nil))
	}
	ha1 := h(c.User, Realm, password)
	if session {
		ha1 = h(ha1, c.params["nonce"], c.params["cnonce"])
	}
	ha2 := h(method, c.params["uri"])
	want := h(ha1, c.params["nonce"], ha2) // RFC 2069
	switch strings.ToLower(c.params["qop"]) {
	case "":
	case "auth":
		want = h(ha1, c.params["nonce"], c.params["nc"], c.params["cnonce"], c.params["qop"], ha2)
	default:
		return false
	}
	return subtle.ConstantTimeCompare([]byte(strings.ToLower(c.params["response"])), []byte(want)) == 1
}

func algorithm(name string) (newHash func() hash.Hash, session, ok bool) {
	switch strings.ToUpper(name) {
	case "", "MD5":
		return md5.New, false, true
	case "MD5-SESS":
		return md5.New, true, true
	case "SHA-256":
		return sha256.New, false, true
	case "SHA-256-SESS":
		return sha256.New, true, true
	}
	return nil, false, false
}
