package daemon

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"plugtone/daemon/config"
	"plugtone/provision"
)

// certificates are those that our servers show. A reload reads them anew without closing a connection.
type certificates struct {
	https, api atomic.Pointer[tls.Certificate]
}

func loadCertificates(c *config.Config) (*certificates, error) {
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
	if c.HTTPS.Enabled {
		if err := load(&out.https, c.HTTPS.CertFile, c.HTTPS.KeyFile, "https"); err != nil {
			return nil, err
		}
	}
	return out, load(&out.api, c.Admin.TLSCertFile, c.Admin.TLSKeyFile, "admin")
}

// take puts the certificates of n in the place of those in c.
func (c *certificates) take(n *certificates) {
	c.https.Store(n.https.Load())
	c.api.Store(n.api.Load())
}

// files is for phones, of which some know nothing newer than TLS 1.0.
func (c *certificates) files() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS10, GetCertificate: shown(&c.https)}
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

// told is the URL that phones in a subnet are given.
func told(s provision.Subnet) string {
	switch {
	case s.ProvisioningURL != "":
		return s.ProvisioningURL
	case s.NextServer.IsValid():
		return "http://" + s.NextServer.String() + "/"
	}
	return ""
}
