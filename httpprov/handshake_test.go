package httpprov

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
)

// Why a handshake fails is reported, with a real client (OpenSSL) that gives up for each reason, and with clients that speak no TLS.
func TestFailedHandshakesAreReportedWithTheirReason(t *testing.T) {
	netlab.RequirePrograms(t, "openssl")
	root := (*authority)(nil).certify(t, cn("authority"), isCA)
	leaf := root.certify(t, cn("server"), nil)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, root.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := make(chan Handshake, 100)
	s := start(t, Config{
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}, nil
		}},
		HeaderTime: 5 * time.Second,
		Handshake:  func(h Handshake) { failed <- h },
	}, &answers{})
	client := func(args ...string) func() { return runOpenSSL(s.addr, args) }
	send := func(text string, wait bool) func() { return sendRaw(t, s.addr, text, wait) }
	for _, tt := range []struct {
		name string
		do   func()
		want HandshakeReason
	}{
		{"an authority that it does not have", client("-no-CAfile", "-no-CApath", "-no-CAstore"), UnknownAuthority},
		{"an authority that it does not have, in TLS 1.2", client("-no-CAfile", "-no-CApath", "-no-CAstore", "-tls1_2"), UnknownAuthority},
		{"a clock far ahead", client("-CAfile", ca, "-attime", "9999999999"), Clock},
		{"a clock far ahead, in TLS 1.2", client("-CAfile", ca, "-attime", "9999999999", "-tls1_2"), Clock},
		{"an old version", client("-CAfile", ca, "-tls1", "-cipher", "ALL:@SECLEVEL=0"), ProtocolVersion},
		{"a cipher that the server lacks", client("-CAfile", ca, "-tls1_2", "-cipher", "AES128-CCM8"), Cipher},
		{"plain HTTP", send("GET / HTTP/1.0\r\n\r\n", true), PlainHTTP},
		{"no protocol", send("SSH-2.0-x\r\n", true), HandshakeOther},
		{"the connection ended", send("\x16\x03\x01", false), HandshakeClosed},
		{"nothing more", send("\x16\x03\x01", true), HandshakeTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.do()
			select {
			case h := <-failed:
				if h.Reason != tt.want || h.From.String() != "127.0.0.1" || h.Time.IsZero() {
					t.Errorf("%s (%v) from %s, want %s", h.Reason, h.Err, h.From, tt.want)
				}
			case <-time.After(time.Minute):
				t.Error("not reported")
			}
		})
	}
	client("-CAfile", ca, "-quiet")()
	s.stop()
	if len(failed) > 0 {
		t.Errorf("a handshake that succeeded is reported: %+v", <-failed)
	}
}

// runOpenSSL returns a function that connects with s_client, which may fail.
func runOpenSSL(addr string, args []string) func() {
	return func() {
		cmd := exec.Command("openssl", append([]string{"s_client", "-connect", addr, "-verify_return_error"}, args...)...)
		cmd.Stdin = strings.NewReader("")
		_ = cmd.Run()
	}
}

// sendRaw returns a function that sends a text and, with wait, waits for an answer or the end of the connection.
func sendRaw(t *testing.T, addr, text string, wait bool) func() {
	return func() {
		c, err := net.Dial("tcp4", addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = c.Write([]byte(text))
		if wait {
			_, _ = c.Read(make([]byte, 100))
		}
	}
}
