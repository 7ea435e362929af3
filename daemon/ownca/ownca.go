// Package ownca makes the certificate authority of one daemon and its server certificate, for installations that have none.
package ownca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// FileName is the name under which phones can fetch our own authority's certificate, over any transport.
const FileName = "plugtone-ca.crt"

// Our own certificates are valid from the year of a phone without a clock, to the last whole year that fits
// into the 32 bits in which old phones count seconds. They are RSA with SHA-256, which the oldest support.
var (
	ownFrom  = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC)
	ownUntil = time.Date(2037, 12, 31, 23, 59, 59, 0, time.UTC)
)

// Own is a certificate authority of this daemon alone, with one server certificate.
type Own struct {
	CA     *x509.Certificate
	Server tls.Certificate
	Issued bool // just now
}

// Fingerprint is the SHA-256 of a certificate, as browsers and openssl show it.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(pairs, ":")
}

// Load reads the authority and the server certificate in dir. What isn't there is made; the server certificate
// is made again when a name is missing from it. The authority is kept, because phones trust it.
func Load(dir string, names []string) (*Own, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	out := &Own{}
	ca, caKey, err := ReadPair(dir, "ca")
	if errors.Is(err, fs.ErrNotExist) {
		ca, caKey, err = makeCA(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("own certificate authority: %w", err)
	}
	out.CA = ca
	cert, key, err := ReadPair(dir, "server")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("own certificate: %w", err)
	}
	if cert == nil || cert.CheckSignatureFrom(ca) != nil || !covers(cert, names) {
		if cert, err = issue(ca, caKey, key, names); err == nil {
			err = writePair(dir, "server", cert, key)
		}
		if err != nil {
			return nil, fmt.Errorf("own certificate: %w", err)
		}
		out.Issued = true
	}
	out.Server = tls.Certificate{Certificate: [][]byte{cert.Raw, ca.Raw}, PrivateKey: key, Leaf: cert}
	return out, nil
}

func makeCA(dir string) (*x509.Certificate, *rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	t, err := Template("plugtone CA")
	if err != nil {
		return nil, nil, err
	}
	// The serial in the name distinguishes the authorities of two sites.
	t.Subject.CommonName += " " + t.SerialNumber.Text(16)[:8]
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, writePair(dir, "ca", cert, key)
}

// issue makes the server's certificate. The first name is also the common name: some phones look nowhere else.
func issue(ca *x509.Certificate, caKey, key *rsa.PrivateKey, names []string) (*x509.Certificate, error) {
	cn := "plugtone"
	if len(names) > 0 {
		cn = names[0]
	}
	t, err := Template(cn)
	if err != nil {
		return nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			t.IPAddresses = append(t.IPAddresses, a.AsSlice())
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Template returns a certificate to sign, valid for as long as all own ones, for a host or authority named cn.
func Template(cn string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	serial.SetBit(serial, 120, 1) // never short, never zero
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, NotBefore: ownFrom, NotAfter: ownUntil,
		SignatureAlgorithm: x509.SHA256WithRSA, BasicConstraintsValid: true,
	}, nil
}

// covers reports whether a certificate has all the names.
func covers(cert *x509.Certificate, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool {
		if a := net.ParseIP(n); a != nil {
			return !slices.ContainsFunc(cert.IPAddresses, a.Equal)
		}
		return !slices.Contains(cert.DNSNames, n)
	})
}

// ReadPair reads NAME.crt and NAME.key.
func ReadPair(dir, name string) (*x509.Certificate, *rsa.PrivateKey, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
	if err != nil {
		return nil, nil, err
	}
	key, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s is no RSA key", filepath.Join(dir, name+".key"))
	}
	return pair.Leaf, key, nil
}

// writePair writes the key first: a crash in between leaves no certificate, and both are made again.
func writePair(dir, name string, cert *x509.Certificate, key *rsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	err = WriteWhole(filepath.Join(dir, name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	return errors.Join(err, WriteWhole(filepath.Join(dir, name+".crt"), PEM(cert), 0o644))
}

// PEM returns a certificate as a PEM file.
func PEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// WriteWhole replaces a file by a whole one, or not at all.
func WriteWhole(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
