package observe

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/httpprov"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// Handshake records a TLS handshake of a phone that failed: in its timeline when its address is leased, in the log and in the metrics.
func (o *Observer) Handshake(h httpprov.Handshake) {
	reason, text := describe(h, o.cfg.Certificate())
	o.cfg.Metrics.handshakes.WithLabelValues(string(reason)).Inc()
	var mac dhcp.MAC
	vendor, phone := "", false
	if l, ok := o.cfg.LeaseAt(h.From); ok && l.State == dhcp.LeaseActive && l.Expires.After(h.Time) {
		mac, vendor, phone = l.MAC, l.Vendor, l.Phone
	}
	recorded := !mac.IsZero() && o.cfg.Recorded(mac)
	level := slog.LevelInfo
	if recorded || phone {
		level = slog.LevelWarn
	}
	o.log.write(line{level, "https handshake failed", h.From.String(), string(reason), recorded},
		attrs(mac, h.From, vendor, string(reason), 0, slog.String("reason", text), slog.Any("err", h.Err))...)
	if phone || recorded || reason == httpprov.UnknownAuthority || reason == httpprov.Clock || reason == httpprov.CertificateEnded || reason == httpprov.CertificateRejected {
		o.failures.add(Failure{Time: h.Time, From: h.From, Reason: text}) // others look at every port: what they send is no reason to warn
	}
	if mac.IsZero() {
		return
	}
	o.record(timeline.Entry{Time: h.Time, MAC: mac, Source: string(fleet.HTTPS), Event: "handshake", Verdict: string(reason), Reason: text, Addr: h.From, Vendor: vendor}, recorded || phone)
}

// describe returns the reason of a failed handshake and a sentence for it. shown is the certificate that clients get; nil when unknown.
func describe(h httpprov.Handshake, shown *x509.Certificate) (httpprov.HandshakeReason, string) {
	detail := dhcp.Printable(h.Err.Error(), 200)
	switch h.Reason {
	case httpprov.UnknownAuthority:
		return h.Reason, "the client does not trust the authority of the server's certificate"
	case httpprov.Clock:
		if shown == nil {
			return h.Reason, "the client finds the server's certificate ended or not yet valid"
		}
		from, until := shown.NotBefore.UTC().Format(time.RFC3339), shown.NotAfter.UTC().Format(time.RFC3339)
		if h.Time.After(shown.NotAfter) {
			return httpprov.CertificateEnded, "the server's certificate ended at " + until
		}
		return h.Reason, fmt.Sprintf("the client finds the server's certificate ended or not yet valid, but it is valid from %s to %s: the client's clock is wrong", from, until)
	case httpprov.CertificateRejected:
		return h.Reason, "the client rejects the server's certificate: " + detail
	case httpprov.ProtocolVersion:
		return h.Reason, "client and server have no TLS version in common; the server has TLS 1.0 to 1.3"
	case httpprov.Cipher:
		return h.Reason, "client and server have no cipher suite in common"
	case httpprov.PlainHTTP:
		return h.Reason, "the client sent plain HTTP to the HTTPS port"
	case httpprov.HandshakeClosed:
		return h.Reason, "the client ended the connection without a reason"
	case httpprov.HandshakeTimeout:
		return h.Reason, "the client did not go on"
	}
	return h.Reason, detail
}

// Failure is one failed handshake of a phone.
type Failure struct {
	Time   time.Time
	From   netip.Addr
	Reason string
}

// maxFailures is how many failed handshakes are kept for the status.
const maxFailures = 256

// failures keeps the newest failed handshakes.
type failures struct {
	mu   sync.Mutex
	last []Failure
}

func (f *failures) add(x Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.last) == maxFailures {
		f.last = append(f.last[:0], f.last[1:]...)
	}
	f.last = append(f.last, x)
}

// HandshakeFailures returns the failed handshakes of phones since a time, oldest first, at most the newest 256.
func (o *Observer) HandshakeFailures(since time.Time) []Failure {
	o.failures.mu.Lock()
	defer o.failures.mu.Unlock()
	var out []Failure
	for _, x := range o.failures.last {
		if !x.Time.Before(since) {
			out = append(out, x)
		}
	}
	return out
}
