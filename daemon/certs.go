package daemon

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"plugtone/daemon/config"
	"plugtone/daemon/health"
	"plugtone/daemon/ownca"
	"plugtone/httpprov"
	"plugtone/provision/fleet"
)

// certificates are those that our servers show, and the authorities of those that phones show. A reload reads them again
// without closing a connection.
type certificates struct {
	https, api atomic.Pointer[tls.Certificate]
	phones     atomic.Pointer[httpprov.ClientCAs] // nil: none is requested from phones
	own        atomic.Pointer[ownca.Own]          // nil: https shows what the configuration names
}

// loadCertificates reads what the configuration names, and makes for https what it doesn't. names are those under which
// phones reach us.
func loadCertificates(c *config.Config, names []string) (*certificates, error) {
	out := &certificates{}
	load := func(to *atomic.Pointer[tls.Certificate], cert, key, what string) error {
		if cert == "" || key == "" {
			return nil
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("%s: certificate %s with key %s: %w", what, cert, key, err)
		}
		to.Store(&pair)
		return nil
	}
	err := load(&out.api, c.Admin.TLSCertFile, c.Admin.TLSKeyFile, "admin")
	if !c.HTTPS.Enabled {
		return out, err
	}
	err = errors.Join(err, load(&out.https, c.HTTPS.CertFile, c.HTTPS.KeyFile, "https"), out.readPhones(c))
	if err == nil && c.HTTPS.CertFile == "" {
		var own *ownca.Own
		if own, err = ownca.Load(ownDir(c), names); err == nil {
			out.own.Store(own)
			out.https.Store(&own.Server)
		}
	}
	return out, err
}

func ownDir(c *config.Config) string { return filepath.Join(c.DataDir, "tls") }

func (c *certificates) readPhones(cfg *config.Config) error {
	files := map[string][]byte{}
	for vendor, path := range cfg.HTTPS.ClientCAFiles {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("https.client_ca_files.%s: %w", vendor, err)
		}
		files[vendor] = text
	}
	if len(files) == 0 {
		return nil
	}
	cas, err := httpprov.ParseClientCAs(files)
	if err != nil {
		return fmt.Errorf("https.client_ca_files: %w", err)
	}
	c.phones.Store(cas)
	return nil
}

// replace puts the certificates of n in the place of those in c.
func (c *certificates) replace(n *certificates) {
	c.https.Store(n.https.Load())
	c.api.Store(n.api.Load())
	c.phones.Store(n.phones.Load())
	c.own.Store(n.own.Load())
}

// files is for phones, some of which support nothing newer than TLS 1.0 and no key exchange but RSA. A phone's own
// certificate is requested, but never required, where there is an authority to hold it against; some phones give up when
// one is requested and they have none.
func (c *certificates) files() *tls.Config {
	var suites []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if s.ID != tls.TLS_RSA_WITH_RC4_128_SHA && s.ID != tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA && s.ID != tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA {
			suites = append(suites, s.ID)
		}
	}
	plain := &tls.Config{MinVersion: tls.VersionTLS10, CipherSuites: suites, GetCertificate: shown(&c.https)}
	asking := plain.Clone()
	asking.ClientAuth = tls.RequestClientCert
	outer := plain.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if c.phones.Load() != nil {
			return asking, nil
		}
		return plain, nil
	}
	return outer
}

// admin is for operators; nil without a certificate.
func (c *certificates) admin() *tls.Config {
	if c.api.Load() == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: shown(&c.api)}
}

func shown(p *atomic.Pointer[tls.Certificate]) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if cert := p.Load(); cert != nil {
			return cert, nil
		}
		return nil, fmt.Errorf("no certificate")
	}
}

// ownNames returns the names under which phones may reach this host: those in their URLs, then every address of the host.
func ownNames(p *runtimeConfig, h host) []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, s := range p.site.Subnets {
		if s.NextServer.IsValid() {
			add(s.NextServer.String())
		}
		add(hostOf(s.ProvisioningURL))
	}
	add(hostOf(p.site.ExternalURL))
	for _, a := range h.addrs() {
		add(a.String())
	}
	add(h.name)
	return names
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// authority is our own authority's certificate as PEM; "" while https shows another's.
func (c *certificates) authority() string {
	if own := c.own.Load(); own != nil {
		return string(ownca.PEM(own.CA))
	}
	return ""
}

// leaf is the certificate that HTTPS clients get; nil without one.
func (c *certificates) leaf() *x509.Certificate {
	if pair := c.https.Load(); pair != nil {
		return pair.Leaf
	}
	return nil
}

// list returns the certificates in force, for warnings before they end.
func (c *certificates) list(cfg *config.Config) []health.Certificate {
	out := []health.Certificate{}
	if own := c.own.Load(); own != nil {
		out = append(out, health.Certificate{Kind: "own_authority", What: "the own authority of https", Cert: own.CA})
	}
	if pair := c.https.Load(); pair != nil {
		out = append(out, health.Certificate{Kind: "https", What: strings.TrimSpace("https " + cfg.HTTPS.CertFile), Cert: pair.Leaf})
	}
	if pair := c.api.Load(); pair != nil {
		out = append(out, health.Certificate{Kind: "admin", What: "admin " + cfg.Admin.TLSCertFile, Cert: pair.Leaf})
	}
	return out
}

// publish puts our own authority's certificate where phones can fetch it.
func (c *certificates) publish(filesDir string) error {
	own := c.own.Load()
	if own == nil {
		return nil
	}
	path, text := filepath.Join(filesDir, ownca.FileName), ownca.PEM(own.CA)
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, text) {
		return nil
	}
	return ownca.WriteWhole(path, text, 0o644)
}

// describe describes the certificate for the log and for check: an operator compares the fingerprint.
func (c *certificates) describe() (what string, cert *x509.Certificate) {
	if own := c.own.Load(); own != nil {
		return "own authority", own.CA
	}
	if pair := c.https.Load(); pair != nil {
		return "configured certificate", pair.Leaf
	}
	return "", nil
}

// provisioningURL is the URL that phones in a subnet are given.
func provisioningURL(s fleet.Subnet) string {
	switch {
	case s.ProvisioningURL != "":
		return s.ProvisioningURL
	case s.NextServer.IsValid():
		return "http://" + s.NextServer.String() + "/"
	}
	return ""
}
