package httpprov

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// certify makes a certificate signed by a, or by itself when a is nil.
func (a *authority) certify(t *testing.T, subject pkix.Name, change func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, NotBefore: noon.AddDate(-9, 0, 0), NotAfter: noon.AddDate(9, 0, 0), BasicConstraintsValid: true}
	if change != nil {
		change(c)
	}
	parent, signer := c, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{out, key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func isCA(c *x509.Certificate) { c.IsCA = true }

func cn(text string) pkix.Name { return pkix.Name{CommonName: text} }

func roots(t *testing.T, files map[string][]byte) *ClientCAs {
	t.Helper()
	c, err := ParseClientCAs(files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientCertificateIsOfTheVendorThatSignedIt(t *testing.T) {
	root := (*authority)(nil).certify(t, cn("Root"), isCA)
	other := (*authority)(nil).certify(t, cn("Root"), isCA) // of the same name
	sub := root.certify(t, cn("Issuing"), isCA)
	phone := root.certify(t, cn("001565123456"), nil)
	critical := func(id ...int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			value := []byte{5, 0}
			if id[0] == 2 {
				value, _ = asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 1}})
			}
			c.ExtraExtensions = []pkix.Extension{{Id: id, Critical: true, Value: value}}
		}
	}
	cas := roots(t, map[string][]byte{"yealink": root.pem(), "polycom": other.pem()})
	for _, tt := range []struct {
		name string
		peer []*authority
		want string
	}{
		{"directly", []*authority{phone}, "yealink 00:15:65:12:34:56"},
		{"another vendor's", []*authority{other.certify(t, cn("001565123456"), nil)}, "polycom 00:15:65:12:34:56"},
		{"over an intermediate", []*authority{sub.certify(t, cn("001565123456"), nil), sub}, "yealink 00:15:65:12:34:56"},
		{"without its intermediate", []*authority{sub.certify(t, cn("001565123456"), nil)}, ""},
		{"signed by another phone", []*authority{phone.certify(t, cn("001565999999"), nil), phone}, ""},
		{"signed by an unknown authority", []*authority{(*authority)(nil).certify(t, cn("001565123456"), nil)}, ""},
		{"expired", []*authority{root.certify(t, cn("001565123456"), func(c *x509.Certificate) { c.NotAfter = noon.AddDate(0, 0, -1) })}, ""},
		{"not yet", []*authority{root.certify(t, cn("001565123456"), func(c *x509.Certificate) { c.NotBefore = noon.AddDate(0, 0, 1) })}, "yealink 00:15:65:12:34:56"},
		{"usage of a server only, critical", []*authority{root.certify(t, cn("001565123456"), critical(2, 5, 29, 37))}, "yealink 00:15:65:12:34:56"},
		{"something critical", []*authority{root.certify(t, cn("001565123456"), critical(1, 2, 3, 4))}, ""},
		{"no MAC", []*authority{root.certify(t, cn("T46U"), nil)}, ""},
		{"a digit too many", []*authority{root.certify(t, cn("0015651234567"), nil)}, ""},
		{"colons", []*authority{root.certify(t, cn("00:15:65:12:34:56"), nil)}, "yealink 00:15:65:12:34:56"},
		{"Cisco's", []*authority{root.certify(t, cn("CP-8841-SEP001565ABCDEF"), nil)}, "yealink 00:15:65:ab:cd:ef"},
		{"in the serial number", []*authority{root.certify(t, pkix.Name{CommonName: "SPA504G", SerialNumber: "001565123456"}, nil)}, "yealink 00:15:65:12:34:56"},
		{"two MACs", []*authority{root.certify(t, pkix.Name{CommonName: "001565123456", SerialNumber: "001565123457"}, nil)}, ""},
		{"two MACs in one name", []*authority{root.certify(t, cn("001565123456 001565123457"), nil)}, ""},
		{"seven pairs", []*authority{root.certify(t, cn("00:15:65:12:34:56:78"), nil)}, ""},
		{"seven pairs with dashes", []*authority{root.certify(t, cn("00-15-65-12-34-56-78"), nil)}, ""},
		{"dashes, after a model", []*authority{root.certify(t, cn("VVX-00-15-65-12-34-56"), nil)}, "yealink 00:15:65:12:34:56"},
		{"right behind a model", []*authority{root.certify(t, cn("CP8841SEP001565123456"), nil)}, "yealink 00:15:65:12:34:56"},
		{"the same twice", []*authority{root.certify(t, cn("SEP001565123456,00:15:65:12:34:56"), nil)}, "yealink 00:15:65:12:34:56"},
		{"in the organisation", []*authority{root.certify(t, pkix.Name{CommonName: "phone", Organization: []string{"001565123456"}}, nil)}, ""},
		{"multicast", []*authority{root.certify(t, cn("010000000001"), nil)}, ""},
		{"none", nil, ""},
	} {
		var peer []*x509.Certificate
		for _, a := range tt.peer {
			peer = append(peer, a.cert)
		}
		got := ""
		if c := cas.Verify(peer, noon); c != nil {
			got = c.Vendor + " " + c.MAC.String()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOneAuthorityOfTwoVendorsNamesBoth(t *testing.T) {
	root := (*authority)(nil).certify(t, cn("Root"), isCA)
	phone := root.certify(t, cn("001565123456"), nil)
	if c := roots(t, map[string][]byte{"cisco-cucm": root.pem(), "cisco-3pcc": root.pem()}).Verify([]*x509.Certificate{phone.cert}, noon); c == nil || c.Vendor != "cisco-3pcc" || len(c.Also) != 1 {
		t.Errorf("one root of two vendors: %+v", c)
	}
	if (*ClientCAs)(nil).Verify([]*x509.Certificate{phone.cert}, noon) != nil {
		t.Error("no authorities, and still proof")
	}
}

// A certificate of an authority that was removed no longer counts, also on a connection that was open before.
func TestRemovedAuthorityCountsNoMoreOnOpenConnections(t *testing.T) {
	root := (*authority)(nil).certify(t, cn("Root"), isCA)
	peer := []*x509.Certificate{root.certify(t, cn("001565123456"), nil).cert}
	cas := roots(t, map[string][]byte{"yealink": root.pem()})
	e := &connInfo{}
	for _, now := range []*ClientCAs{cas, cas, nil, cas} {
		if got := e.proves(peer, now, noon); (got != nil) != (now != nil) {
			t.Errorf("authorities %p: %+v", now, got)
		}
	}
}

func TestClientCAFilesAreRead(t *testing.T) {
	phone := (*authority)(nil).certify(t, cn("001565123456"), nil)
	for name, tt := range map[string]struct{ text, want string }{
		"empty":   {"", "client CA of snom: no PEM certificate in the file"},
		"a phone": {string(phone.pem()), "is no certificate authority"},
		"broken":  {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "client CA of snom: x509:"},
	} {
		if _, err := ParseClientCAs(map[string][]byte{"snom": []byte(tt.text)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// secure starts a server over TLS that requests a client certificate.
func secure(t *testing.T, a Answerer, cas *ClientCAs) *running {
	t.Helper()
	own := (*authority)(nil).certify(t, cn("server"), nil)
	return start(t, Config{
		TLS: &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS10,
		},
		ClientCAs: func() *ClientCAs { return cas }, Now: func() time.Time { return later.Add(time.Since(started)) },
	}, a)
}

// later is after the files in testdata/factory were made.
var later, started = noon.AddDate(1, 0, 0), time.Now()

// A factory's certificate with SHA-1 and for servers only gets through a real handshake; so does a client without one.
func TestFactoryCertificateIsAcceptedInAHandshake(t *testing.T) {
	root, err := os.ReadFile(filepath.Join("testdata", "factory", "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join("testdata", "factory", "phone.pem"), filepath.Join("testdata", "factory", "phone.key"))
	if err != nil {
		t.Fatal(err)
	}
	forged := (*authority)(nil).certify(t, cn("001565123456"), nil)
	a := &answers{F: served}
	s := secure(t, a, roots(t, map[string][]byte{"yealink": root}))
	for name, tt := range map[string]struct {
		certs   []tls.Certificate
		version uint16
		want    bool
	}{
		"TLS 1.2":    {[]tls.Certificate{pair}, tls.VersionTLS12, true},
		"TLS 1.3":    {[]tls.Certificate{pair}, tls.VersionTLS13, true},
		"none":       {nil, tls.VersionTLS13, false},
		"not theirs": {[]tls.Certificate{{Certificate: [][]byte{forged.cert.Raw}, PrivateKey: forged.key}}, tls.VersionTLS12, false},
	} {
		tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{Certificates: tt.certs, InsecureSkipVerify: true, MinVersion: tt.version, MaxVersion: tt.version}}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + s.addr + "/001565123456.cfg")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		got := a.Last().Certificate
		if (got != nil) != tt.want || tt.want && (got.Vendor != "yealink" || got.MAC.String() != "00:15:65:12:34:56") {
			t.Errorf("%s: %+v", name, got)
		}
		if a.Last().Transport != fleet.HTTPS || resp.StatusCode != 200 {
			t.Errorf("%s: %s, status %d", name, a.Last().Transport, resp.StatusCode)
		}
	}
}

// A clock that is known to be wrong ends no certificate: a phone that has to show its own would get nothing until the clock is set.
func TestWrongClockEndsNoCertificate(t *testing.T) {
	root := (*authority)(nil).certify(t, cn("Root"), isCA)
	phone := root.certify(t, cn("001565123456"), func(c *x509.Certificate) { c.NotAfter = noon.AddDate(0, 0, -1) })
	cas := roots(t, map[string][]byte{"yealink": root.pem()})
	s := &Server{cfg: Config{Now: func() time.Time { return noon }, ClockWrong: func() bool { return false }}}
	if cas.Verify([]*x509.Certificate{phone.cert}, s.certificateTime()) != nil {
		t.Error("a certificate that has ended counts")
	}
	s.cfg.ClockWrong = func() bool { return true }
	if cas.Verify([]*x509.Certificate{phone.cert}, s.certificateTime()) == nil {
		t.Error("it does not count while the clock is wrong")
	}
}
