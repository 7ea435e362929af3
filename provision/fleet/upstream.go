package fleet

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/setting"
)

// Upstream is where the configuration files of phones are rendered instead of here. The zero value is nowhere.
type Upstream struct {
	URLs     []string // in the order in which they are requested; each ends in "/"
	User     string   // of HTTP Digest or Basic; "" for none
	Password setting.Secret
}

// UpstreamOf returns where the files of phones with a profile are rendered: by the upstream of the nearest profile of its chain that has one.
func UpstreamOf(f View, profile string) (Upstream, error) {
	chain, err := ProfileChain(f, profile)
	if err != nil {
		return Upstream{}, err
	}
	for _, p := range slices.Backward(chain) {
		if len(p.Upstream) > 0 {
			return Upstream{p.Upstream, p.UpstreamUser, p.UpstreamPassword}, nil
		}
	}
	return Upstream{}, nil
}

// Hosts lists the hosts of the URLs, for people.
func (u Upstream) Hosts() string {
	hosts := make([]string, 0, len(u.URLs))
	for _, text := range u.URLs {
		if parsed, err := url.Parse(text); err == nil {
			hosts = append(hosts, parsed.Host)
		}
	}
	return strings.Join(hosts, ", ")
}

// SameUpstream reports whether two profiles name the same upstream, with the same credentials. nil has none.
func SameUpstream(a, b *Profile) bool {
	none := &Profile{}
	if a == nil {
		a = none
	}
	if b == nil {
		b = none
	}
	return slices.Equal(a.Upstream, b.Upstream) && a.UpstreamUser == b.UpstreamUser && a.UpstreamPassword == b.UpstreamPassword
}

// Limits of an upstream.
const (
	maxUpstreams   = 4
	maxUpstreamURL = 512
)

// upstreamForm is what an upstream must look like.
const upstreamForm = "must be the URL of the PBX's provisioning, such as https://pbx.example.net/app/provision/"

// Upstream brings the upstream of a profile into its canonical form and reports what is wrong with it.
func (e *ValidationError) Upstream(p *Profile) {
	if len(p.Upstream) > maxUpstreams {
		e.Add("upstream", "", "has more than the %d URLs allowed", maxUpstreams)
	}
	for i, text := range p.Upstream {
		field := "upstream[" + strconv.Itoa(i) + "]"
		canonical, problem := checkUpstream(text)
		switch {
		case problem != "":
			if strings.Contains(text, "@") {
				text = "" // it may hold a password
			}
			e.Add(field, text, "%s", problem)
		case slices.Contains(p.Upstream[:i], canonical):
			e.Add(field, text, "is in the list already")
		}
		p.Upstream[i] = canonical
	}
	e.Text("upstream_user", p.UpstreamUser, 128)
	e.Text("upstream_password", p.UpstreamPassword.Reveal(), 128)
	switch {
	case len(p.Upstream) == 0 && p.UpstreamUser != "":
		e.Add("upstream_user", p.UpstreamUser, "needs upstream: without one it is of no use")
	case len(p.Upstream) == 0 && p.UpstreamPassword != "":
		e.Add("upstream_password", "", "needs upstream: without one it is of no use")
	case p.UpstreamUser == "" && p.UpstreamPassword != "":
		e.Add("upstream_user", "", "is needed with upstream_password")
	}
}

// checkUpstream returns a URL in its canonical form, or what is wrong with it.
func checkUpstream(text string) (canonical, problem string) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case len(text) > maxUpstreamURL:
		return text, "is longer than " + strconv.Itoa(maxUpstreamURL) + " characters"
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return text, upstreamForm
	case u.User != nil:
		return text, "must not hold a user or password: write them into upstream_user and upstream_password"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return text, "must not have a query or fragment; it " + upstreamForm
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return text, "has the port " + port + ", which must be 1 to 65535"
		}
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && (a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast()) {
		return text, "names an address that no PBX has"
	}
	u.Host = strings.ToLower(u.Host)
	if !strings.HasSuffix(u.Path, "/") {
		u.Path, u.RawPath = u.Path+"/", ""
	}
	return u.String(), ""
}
