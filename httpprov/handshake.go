package httpprov

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// HandshakeReason is why a TLS handshake failed: a closed set of words, used as a metric label and as a verdict in timelines.
type HandshakeReason string

// The reasons.
const (
	UnknownAuthority    HandshakeReason = "unknown_authority" // the client does not trust the authority of the server's certificate
	Clock               HandshakeReason = "clock"             // the client finds the certificate expired, or not yet valid
	CertificateEnded    HandshakeReason = "certificate_ended" // the same, and it has ended: the receiver of a Handshake compares
	CertificateRejected HandshakeReason = "certificate"       // the client rejects the certificate for another reason, or names none
	ProtocolVersion     HandshakeReason = "protocol_version"  // no TLS version in common
	Cipher              HandshakeReason = "cipher"            // no cipher suite in common
	PlainHTTP           HandshakeReason = "plain_http"        // the client sent HTTP without TLS
	HandshakeClosed     HandshakeReason = "closed"            // the client ended the connection without a reason
	HandshakeTimeout    HandshakeReason = "timeout"           // the client did not go on
	HandshakeOther      HandshakeReason = "other"
)

// HandshakeReasons lists all reasons, for metrics that show every label from the start.
func HandshakeReasons() []HandshakeReason {
	return []HandshakeReason{UnknownAuthority, Clock, CertificateEnded, CertificateRejected, ProtocolVersion, Cipher, PlainHTTP, HandshakeClosed, HandshakeTimeout, HandshakeOther}
}

// Handshake is a TLS handshake that failed.
type Handshake struct {
	Time   time.Time
	From   netip.Addr
	Reason HandshakeReason
	Err    error
}

// connState counts connections, and reports those whose TLS handshake failed.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	s.limits.connState(c, state)
	t, ok := c.(*tls.Conn)
	if !ok || state != http.StateClosed || s.cfg.Handshake == nil || t.ConnectionState().HandshakeComplete {
		return
	}
	err := t.Handshake() // net/http has tried it: this returns its error again
	if err == nil || errors.Is(err, net.ErrClosed) {
		return // closed by this server
	}
	if w, ok := t.NetConn().(*watchedConn); ok {
		if alert, ok := w.alert(); ok {
			err = &net.OpError{Op: remoteError, Err: alert}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.cfg.Handshake(Handshake{Time: s.cfg.Now(), From: addrPort(c.RemoteAddr()).Addr(), Reason: reasonOf(err), Err: err})
	}
}

// remoteError is the Op of errors of crypto/tls that a client's alert caused.
const remoteError = "remote error"

// alertRecord is the length of a plain alert on the wire (RFC 8446, 5.1 and 6): type 21, version, length 2, level, description.
const alertRecord = 7

// watchedListener accepts connections that keep their last bytes.
type watchedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: c}, nil
}

// watchedConn keeps the last bytes that were read. OpenSSL sends the alert by which it ends a TLS 1.3 handshake unencrypted when it has not
// sent anything encrypted yet, which crypto/tls reports as a bad record.
type watchedConn struct {
	net.Conn
	last [alertRecord]byte
}

// Read implements net.Conn. crypto/tls calls it from one goroutine at a time.
func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n >= alertRecord {
		copy(c.last[:], b[n-alertRecord:n])
	} else {
		copy(c.last[:], c.last[n:])
		copy(c.last[alertRecord-n:], b[:n])
	}
	return n, err
}

// alert returns the alert of a plain record that was the last thing received. An encrypted one is longer.
func (c *watchedConn) alert() (tls.AlertError, bool) {
	b := c.last
	return tls.AlertError(b[6]), b[0] == 21 && b[1] == 3 && b[3] == 0 && b[4] == 2 && (b[5] == 1 || b[5] == 2)
}

// alertReasons has the reasons that a client's alert names (RFC 8446, 6.2; RFC 5246, 7.2.2).
var alertReasons = map[tls.AlertError]HandshakeReason{
	0:  HandshakeClosed,     // close_notify
	40: Cipher,              // handshake_failure: no acceptable set of parameters
	42: CertificateRejected, // bad_certificate
	43: CertificateRejected, // unsupported_certificate
	44: CertificateRejected, // certificate_revoked
	45: Clock,               // certificate_expired: "has expired or is not currently valid"
	46: CertificateRejected, // certificate_unknown
	48: UnknownAuthority,    // unknown_ca
	70: ProtocolVersion,     // protocol_version
	71: Cipher,              // insufficient_security
	90: HandshakeClosed,     // user_canceled
}

// reasonOf classifies the error of a handshake. Package crypto/tls has types for few of its errors: the others are recognised by their text,
// which a test holds against real clients.
func reasonOf(err error) HandshakeReason {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == remoteError {
		for alert, reason := range alertReasons {
			if remote.Err.Error() == alert.Error() {
				return reason
			}
		}
		return HandshakeOther
	}
	var record tls.RecordHeaderError
	switch text := err.Error(); {
	case errors.As(err, &record):
		switch string(record.RecordHeader[:]) {
		case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
			return PlainHTTP
		}
		return HandshakeOther
	case errors.Is(err, os.ErrDeadlineExceeded):
		return HandshakeTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return HandshakeClosed
	case strings.Contains(text, "unsupported versions"):
		return ProtocolVersion
	case strings.Contains(text, "no cipher suite supported"), strings.Contains(text, "no ECDHE curve supported"), strings.Contains(text, "signature algorithm"):
		return Cipher
	}
	return HandshakeOther
}
