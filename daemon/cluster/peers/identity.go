package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"plugtone/daemon/ownca"
	"plugtone/store/seal"
)

// fileName is the file in the data directory with the key and the certificate of this member.
const fileName = "cluster-member.pem"

// LoadIdentity reads the key pair of this member from the data directory, or makes it. The file has mode 0600.
func LoadIdentity(dir string) (tls.Certificate, error) {
	path := filepath.Join(dir, fileName)
	pair, err := tls.LoadX509KeyPair(path, path)
	if errors.Is(err, fs.ErrNotExist) {
		pair, err = makeIdentity(path)
	}
	if err != nil {
		return pair, fmt.Errorf("certificate for the other members: %w", err)
	}
	return pair, nil
}

// makeIdentity makes a certificate that no one signed: members accept it because it is registered.
func makeIdentity(path string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t, err := ownca.Template("plugtone member")
	if err != nil {
		return tls.Certificate{}, err
	}
	t.SignatureAlgorithm, t.KeyUsage = x509.ECDSAWithSHA256, x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	file := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := ownca.WriteWhole(path, file, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(file, file)
}

// register returns the form in which a member's certificate is registered: sealed with the key of the cluster, for this name, so that only who has
// that key can register one.
func register(keys *seal.Ring, name string, pair tls.Certificate) string {
	return base64.StdEncoding.EncodeToString(keys.Seal(pair.Certificate[0], place(name)))
}

// registered returns the certificate in the form that register returns, DER.
func registered(keys *seal.Ring, name, text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("it has registered no certificate")
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return keys.Open(sealed, place(name))
}

func place(name string) []byte { return []byte("members/" + name) }
