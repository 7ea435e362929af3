package daemon

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/daemon/ownca"
)

func TestOwnCertificateIsMadeAgainOnlyWhenNeeded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	first, err := ownca.Load(dir, []string{"10.20.0.2", "pbx.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(first.CA)
	verify := func(c *ownca.Own, name string, at time.Time) error {
		_, err := c.Server.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
		return err
	}
	for _, at := range []time.Time{time.Unix(60, 0), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2037, 12, 31, 0, 0, 0, 0, time.UTC)} {
		for _, name := range []string{"10.20.0.2", "pbx.example.net"} {
			if err := verify(first, name, at); err != nil {
				t.Errorf("%s in %d: %v", name, at.Year(), err)
			}
		}
	}
	if first.Server.Leaf.Subject.CommonName != "10.20.0.2" || !first.Issued {
		t.Errorf("%s, issued %v", first.Server.Leaf.Subject, first.Issued)
	}
	for _, name := range []string{"ca.key", "server.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	again, err := ownca.Load(dir, []string{"10.20.0.2"})
	if err != nil || again.Issued || !again.Server.Leaf.Equal(first.Server.Leaf) {
		t.Errorf("made again without need: %v", err)
	}
	moved, err := ownca.Load(dir, []string{"10.20.0.3"})
	if err != nil || !moved.Issued || !moved.CA.Equal(first.CA) || verify(moved, "10.20.0.3", time.Now()) != nil {
		t.Errorf("another address: issued %v, the same authority %v, %v", moved.Issued, moved.CA.Equal(first.CA), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Phones trust the authority: it is never replaced without a word.
	if _, err := ownca.Load(dir, nil); err == nil || !strings.Contains(err.Error(), "own certificate authority") {
		t.Errorf("a damaged key: %v", err)
	}
}

// A member of a cluster that is given the authority of another one makes itself a certificate of that, and drops its own: phones that trust one
// member trust both.
func TestMembersHaveOneAuthority(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "tls"), filepath.Join(t.TempDir(), "tls")
	first, err := ownca.Load(one, []string{"10.20.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ownca.Load(two, []string{"10.20.0.3"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.crt", "ca.key"} {
		text, err := os.ReadFile(filepath.Join(one, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(two, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	second, err := ownca.Load(two, []string{"10.20.0.3"})
	if err != nil || !second.Issued || !second.CA.Equal(first.CA) || second.Server.Leaf.CheckSignatureFrom(first.CA) != nil {
		t.Errorf("issued %v, the same authority %v, %v", second.Issued, second.CA.Equal(first.CA), err)
	}
}

const httpsConfig = testConfig + `
https: {enabled: true, listen: ["127.0.0.1:0"]}
`

// over fetches by https, trusting ca alone.
func (r *running) over(ca []byte, path string) (string, *x509.Certificate, error) {
	r.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		r.t.Fatalf("no certificate in %q", ca)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	resp, err := c.Get("https://" + r.address("https") + path)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.TLS.PeerCertificates[0], err
}

func TestHTTPSWithItsOwnAuthority(t *testing.T) {
	r := start(t, httpsConfig)
	r.addPhone()
	status, ca := r.get("http://" + r.address("http") + "/" + ownca.FileName)
	if status != 200 {
		t.Fatalf("the authority's certificate: status %d", status)
	}
	body, _, err := r.over([]byte(ca), "/001565123456.cfg")
	if err != nil || !strings.Contains(body, "pa55w0rd") || !strings.Contains(body, "trusted_certificates.url = http://127.0.0.1/"+ownca.FileName) {
		t.Errorf("%v %.200q", err, body)
	}
	if got := r.site().CACert; got != ca {
		t.Errorf("the files of phones have another authority: %.60q", got)
	}
	block, _ := pem.Decode([]byte(ca))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Check(Options{Config: filepath.Join(r.dir, "plugtone.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the log": r.log.String(), "check": report.HTTPS} {
		if !strings.Contains(text, ownca.Fingerprint(cert)) {
			t.Errorf("%s doesn't show %s: %s", what, ownca.Fingerprint(cert), text)
		}
	}
}

// Replaced certificate files are loaded without a restart. An invalid one leaves the old certificate in force.
func TestReplacedCertificateFilesAreLoaded(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	replace := func() []byte {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ownca.Template("site")
		if err != nil {
			t.Fatal(err)
		}
		c.IPAddresses = append(c.IPAddresses, []byte{127, 0, 0, 1})
		c.IsCA = true
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string][]byte{certFile: ownca.PEM(cert), keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return ownca.PEM(cert)
	}
	first := replace()
	r := start(t, testConfig+`https: {enabled: true, listen: ["127.0.0.1:0"], cert_file: `+certFile+`, key_file: `+keyFile+"}\n")
	if _, _, err := r.over(first, "/x"); err != nil {
		t.Fatal(err)
	}
	before := hostWatcher{r.Daemon}.hostFingerprint()
	second := replace()
	if (hostWatcher{r.Daemon}).hostFingerprint() == before {
		t.Error("the new file is not noticed")
	}
	hostWatcher{r.Daemon}.reloadCertificates()
	if _, _, err := r.over(second, "/x"); err != nil {
		t.Errorf("the new certificate: %v", err)
	}
	if err := os.WriteFile(certFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	hostWatcher{r.Daemon}.reloadCertificates()
	if _, _, err := r.over(second, "/x"); err != nil {
		t.Errorf("after a bad file: %v", err)
	}
	if !strings.Contains(r.log.String(), "certificates kept as they were") {
		t.Error("the bad file is not in the log")
	}
}

func TestTFTPServesConfiguredNetworksAndLinks(t *testing.T) {
	d, err := New(Options{Log: io.Discard, Config: writeConfig(t, t.TempDir(), `
data_dir: DIR/data
dhcp: {mode: off, subnets: [{subnet: 10.20.0.0/22, next_server: 10.20.0.2}]}
provisioning: {vendor_dirs: [], networks: [{from: 192.0.2.0/24, trust: [credentials]}]}
admin: {listen: ["unix:DIR/admin.sock"]}
`)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	links := []netip.Prefix{netip.MustParsePrefix("172.16.5.1/24")}
	d.links.Store(&links)
	for addr, want := range map[string]bool{
		"10.20.3.9": true, "10.20.4.1": false, "192.0.2.7": true, "172.16.5.77": true, "172.16.6.1": false, "127.0.0.5": true, "203.0.113.1": false,
	} {
		if got := d.serves(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

// Files of phones that take our authority from them have the one in force: the same after a change of addresses, the new one
// after it was replaced.
func TestFilesHaveTheAuthorityInForce(t *testing.T) {
	r := start(t, strings.Replace(httpsConfig, "{mode: off}", "{mode: off, subnets: [{subnet: 10.20.0.0/22, next_server: 10.20.0.2}]}", 1))
	before := r.site().CACert
	moved, site := *r.current.Load(), *r.site()
	site.Subnets = slices.Clone(site.Subnets)
	for i := range site.Subnets {
		site.Subnets[i].NextServer = netip.MustParseAddr("192.0.2.1")
	}
	moved.site = &site
	r.current.Store(&moved)
	hostWatcher{r.Daemon}.refreshNextServer()
	if r.site() == &site || r.site().CACert != before {
		t.Errorf("after a move: the same site (%v), authority %.60q", r.site() == &site, r.site().CACert)
	}
	if err := os.RemoveAll(ownDir(r.current.Load().cfg)); err != nil {
		t.Fatal(err)
	}
	hostWatcher{r.Daemon}.reloadCertificates()
	_, published := r.get("http://" + r.address("http") + "/" + ownca.FileName)
	if got := r.site().CACert; got == before || got != published {
		t.Errorf("a new authority is published and not put into files: %.60q", got)
	}
}
