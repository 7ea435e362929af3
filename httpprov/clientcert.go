package httpprov

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
)

// maxChain is the longest chain that is checked: a phone's certificate, two intermediate authorities and the root.
const maxChain = 4

// ClientCAs are the roots of phones' factory certificates, by vendor id. It never changes: a reload makes a new one.
type ClientCAs struct {
	vendors []string // sorted, so that equal files give equal answers
	roots   map[string][]*x509.Certificate
}

// ParseClientCAs reads PEM by vendor id. Each must hold at least one authority's certificate; all problems are reported at
// once.
func ParseClientCAs(files map[string][]byte) (*ClientCAs, error) {
	c := &ClientCAs{vendors: slices.Sorted(maps.Keys(files)), roots: map[string][]*x509.Certificate{}}
	var faults []error
	for _, vendor := range c.vendors {
		rest := files[vendor]
		for {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if block.Type != "CERTIFICATE" {
				continue
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			switch {
			case err != nil:
				faults = append(faults, fmt.Errorf("client CA of %s: %w", vendor, err))
			case !issues(cert):
				faults = append(faults, fmt.Errorf("client CA of %s: %s is no certificate authority", vendor, cert.Subject))
			default:
				c.roots[vendor] = append(c.roots[vendor], cert)
			}
		}
		if len(c.roots[vendor]) == 0 && len(faults) == 0 {
			faults = append(faults, fmt.Errorf("client CA of %s: no PEM certificate in the file", vendor))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

// Verify returns what the certificates of a TLS client prove; the client's own comes first. The handshake has shown that the
// client has the key. It is nil for certificates that prove nothing.
//
// The rules are not those of a browser: factory certificates are made once, for all that the phone will ever do, so that
// their extended key usage is often wrong, and many are signed with SHA-1, whose collisions cannot be used against an existing
// certificate. What counts is the vendor's own authority and the MAC in the subject. One that is not valid yet counts: the clock is
// behind, and a forger gains nothing by it. With the zero time, for a clock that is known to be wrong, one that has ended counts too.
func (c *ClientCAs) Verify(peer []*x509.Certificate, now time.Time) *provision.Certificate {
	if c == nil || len(peer) == 0 || len(peer) > 2*maxChain {
		return nil
	}
	mac, ok := subjectMAC(peer[0])
	if !ok {
		return nil
	}
	out := &provision.Certificate{MAC: mac}
	for _, vendor := range c.vendors {
		switch {
		case !chains(peer[0], peer[1:], c.roots[vendor], now, maxChain):
		case out.Vendor == "":
			out.Vendor = vendor
		default:
			out.Also = append(out.Also, vendor)
		}
	}
	if out.Vendor == "" {
		return nil
	}
	return out
}

// chains reports whether cert leads to a root, over the certificates that came with it.
func chains(cert *x509.Certificate, between, roots []*x509.Certificate, now time.Time, left int) bool {
	if left < 2 || now.After(cert.NotAfter) || len(unknownCritical(cert)) > 0 {
		return false
	}
	for _, root := range roots {
		if !now.After(root.NotAfter) && signed(cert, root) {
			return true
		}
	}
	for i, c := range between {
		// Each is used once, which ends loops.
		if issues(c) && signed(cert, c) && chains(c, slices.Delete(slices.Clone(between), i, i+1), roots, now, left-1) {
			return true
		}
	}
	return false
}

// unknownCritical are the critical extensions that crypto/x509 does not process, except the extended key usage.
func unknownCritical(c *x509.Certificate) []string {
	var out []string
	for _, id := range c.UnhandledCriticalExtensions {
		if s := id.String(); s != "2.5.29.37" {
			out = append(out, s)
		}
	}
	return out
}

// issues reports whether a certificate may sign others. Roots from before X.509 v3 have no field for it.
func issues(c *x509.Certificate) bool {
	if c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return false
	}
	if c.BasicConstraintsValid {
		return c.IsCA
	}
	return c.Version < 3 && bytes.Equal(c.RawIssuer, c.RawSubject)
}

// signed reports whether issuer has signed cert. SHA-1 is checked here, because crypto/x509 refuses it.
func signed(cert, issuer *x509.Certificate) bool {
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return false
	}
	sum := sha1.Sum(cert.RawTBSCertificate)
	switch cert.SignatureAlgorithm {
	case x509.SHA1WithRSA:
		key, ok := issuer.PublicKey.(*rsa.PublicKey)
		return ok && rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], cert.Signature) == nil
	case x509.ECDSAWithSHA1:
		key, ok := issuer.PublicKey.(*ecdsa.PublicKey)
		return ok && ecdsa.VerifyASN1(key, sum[:], cert.Signature)
	}
	return issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

// macsIn finds MACs as factories write them: alone (Yealink, Polycom), after a model and SEP (Cisco: CP-8841-SEP001122334455),
// or after the model (Cisco SPA), with or without separators. What is longer than a MAC holds none. The sources are public
// collections of certificate subjects; none is a vendor's promise.
func macsIn(text string) (out []string) {
	for _, name := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !strings.ContainsRune(alphanumeric+":-", r) }) {
		var pairs []string
		for _, part := range append(strings.FieldsFunc(name, func(r rune) bool { return r == ':' || r == '-' }), "") {
			for _, word := range []string{"sep", "mac"} {
				if i := strings.LastIndex(part, word); i >= 0 {
					part = part[i+len(word):]
				}
			}
			hex := strings.Trim(part, "0123456789abcdef") == ""
			if hex && len(part) == 2 {
				pairs = append(pairs, part)
				continue
			}
			if len(pairs) == 6 {
				out = append(out, strings.Join(pairs, ""))
			}
			if pairs = nil; hex && len(part) == 12 {
				out = append(out, part)
			}
		}
	}
	return out
}

const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyz"

// subjectMAC is the one MAC that a certificate's common names and serial number name. Two different ones are no proof.
func subjectMAC(c *x509.Certificate) (dhcp.MAC, bool) {
	var found dhcp.MAC
	for _, name := range c.Subject.Names {
		switch name.Type.String() {
		case "2.5.4.3", "2.5.4.5": // common name, serial number
		default:
			continue
		}
		text, _ := name.Value.(string)
		for _, m := range macsIn(text) {
			var mac dhcp.MAC
			if mac.UnmarshalText([]byte(m)) != nil {
				continue // zero or multicast
			}
			if !found.IsZero() && found != mac {
				return dhcp.MAC{}, false
			}
			found = mac
		}
	}
	return found, !found.IsZero()
}
