package upstream

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/icholy/digest"
)

// maxRedirects is how many redirects of a PBX are followed.
const maxRedirects = 3

// Settings bound a request.
type Settings struct {
	Timeout time.Duration  // for the whole answer of one PBX
	MaxSize int64          // bytes of a file
	CAs     *x509.CertPool // that sign the certificates of PBXs; nil: those of this machine
}

// transport returns the connections to PBXs. No proxy of the environment is used.
func (s *Settings) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.CAs, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: maxAtOnce, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		DialContext: (&net.Dialer{Timeout: s.Timeout}).DialContext,
	}
}

// parseBase parses the URL of a PBX, which fleet.CheckProfile has checked.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("upstream %.100q is no URL", base)
	}
	return u, nil
}

// exchange is the conversation about one file with one PBX.
type exchange struct {
	client   *http.Client
	settings *Settings
	request  Request
}

// get requests the file below base. Redirects are followed on the same host and to the same file name: any other, such as one to a
// login page, is no file.
func (x exchange) get(ctx context.Context, base string) (Answer, *failure) {
	u, err := parseBase(base)
	if err != nil {
		return Answer{}, &failure{Failed, err.Error()}
	}
	u.Path, u.RawPath = u.Path+x.request.Name, ""
	for range maxRedirects + 1 {
		res, f := x.send(ctx, u)
		if f != nil {
			return Answer{}, f
		}
		if res.StatusCode/100 != 3 || res.StatusCode == http.StatusNotModified {
			return x.read(res)
		}
		_ = res.Body.Close() // it is not read
		next, f := redirected(u, res)
		if f != nil {
			return Answer{}, f
		}
		u = next
	}
	return Answer{}, &failure{Failed, fmt.Sprintf("redirects more than %d times", maxRedirects)}
}

// redirected returns where a redirect leads, unless it is not to be followed.
func redirected(from *url.URL, res *http.Response) (*url.URL, *failure) {
	to, err := res.Location()
	if err != nil {
		return nil, &failure{Failed, fmt.Sprintf("redirects to nowhere (%d)", res.StatusCode)}
	}
	shown := to.Scheme + "://" + to.Host + to.EscapedPath()
	upgraded := from.Scheme == "http" && to.Scheme == "https" && from.Port() == "" && (to.Port() == "" || to.Port() == "443")
	switch {
	case !strings.EqualFold(to.Hostname(), from.Hostname()), !upgraded && (to.Scheme != from.Scheme || to.Port() != from.Port()):
		return nil, &failure{Failed, fmt.Sprintf("redirects to another server, %.200s, which is not followed", shown)}
	case path.Base(to.Path) != path.Base(from.Path):
		return nil, &failure{Failed, fmt.Sprintf("redirects to another file, %.200s, which is not followed", shown)}
	}
	return to, nil
}

// send sends a request, and again with credentials when the PBX wants them.
func (x exchange) send(ctx context.Context, u *url.URL) (*http.Response, *failure) {
	res, f := x.once(ctx, u, "")
	if f != nil || res.StatusCode != http.StatusUnauthorized {
		return res, f
	}
	_ = res.Body.Close() // it is not read
	user, password := x.request.Upstream.User, x.request.Upstream.Password.Reveal()
	if user == "" {
		return nil, &failure{Login, "wants a login (401): set upstream_user and upstream_password of the profile"}
	}
	authorization, err := authorize(res.Header, u, user, password)
	if err != nil {
		return nil, &failure{Login, fmt.Sprintf("wants a login that is not known (401): %s", err)}
	}
	if res, f = x.once(ctx, u, authorization); f == nil && res.StatusCode == http.StatusUnauthorized {
		_ = res.Body.Close() // it is not read
		f = &failure{Login, "does not accept upstream_user and upstream_password of the profile (401)"}
	}
	return res, f
}

// authorize answers a challenge: Digest (RFC 7616) if it is offered, else Basic (RFC 7617).
func authorize(h http.Header, u *url.URL, user, password string) (string, error) {
	if c, err := digest.FindChallenge(h); err == nil {
		answer, err := digest.Digest(c, digest.Options{Method: http.MethodGet, URI: u.RequestURI(), Username: user, Password: password, Count: 1})
		if err != nil {
			return "", err
		}
		return answer.String(), nil
	}
	for _, v := range h.Values("Www-Authenticate") {
		if scheme, _, _ := strings.Cut(v, " "); strings.EqualFold(scheme, "basic") {
			r := http.Request{Header: http.Header{}}
			r.SetBasicAuth(user, password)
			return r.Header.Get("Authorization"), nil
		}
	}
	return "", errors.New("neither Digest nor Basic")
}

func (x exchange) once(ctx context.Context, u *url.URL, authorization string) (*http.Response, *failure) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, &failure{Failed, "can't be requested: " + err.Error()}
	}
	r.Header.Set("User-Agent", userAgent(x.request.UserAgent))
	if from := x.request.From; from.IsValid() {
		r.Header.Set("X-Forwarded-For", from.Unmap().String())
		r.Header.Set("Forwarded", "for="+from.Unmap().String()) // RFC 7239, 5.2
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	res, err := x.client.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	return res, nil
}

// unreachable returns the failure of a request without an answer.
func unreachable(err error) *failure {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the rest repeats the URL
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return &failure{Unreachable, fmt.Sprintf("has a certificate that is not trusted: %s; see provisioning.upstream.ca_file", certificate.Err)}
	}
	return &failure{Unreachable, "is unreachable: " + err.Error()}
}

// userAgent returns what is sent as the user agent: the phone's own without characters that a header can't have.
func userAgent(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" { // over TFTP
		return "plugtone"
	}
	return s
}

// read reads an answer.
func (x exchange) read(res *http.Response) (Answer, *failure) {
	defer res.Body.Close()
	switch code := res.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code/100 != 4:
		return Answer{}, &failure{Failed, fmt.Sprintf("answers %d %s", code, http.StatusText(code))}
	default:
		return Answer{Outcome: NotFound}, nil
	}
	if encoding := res.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return Answer{}, &failure{Failed, fmt.Sprintf("sends the file as %.20q, which was not requested", encoding)}
	}
	most := x.settings.MaxSize
	large := &failure{TooLarge, fmt.Sprintf("sends more than the %d bytes that provisioning.upstream.max_size allows", most)}
	if res.ContentLength > most {
		return Answer{}, large
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return Answer{}, &failure{Unreachable, "ended its answer early: " + err.Error()}
	case int64(len(body)) > most:
		return Answer{}, large
	}
	a := Answer{Outcome: Answered, Body: body, Digest: digestOf(body)}
	if t, params, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil && len(t) < 100 {
		a.MediaType = mime.FormatMediaType(t, params)
	}
	return a, nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
