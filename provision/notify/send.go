package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"plugtone/provision/packdoc"
	"plugtone/provision/pbxroute"
)

// transactionTime is how long a NOTIFY is repeated without an answer: timer F of RFC 3261, 64 times T1 of 500 ms.
const transactionTime = 32 * time.Second

// Reply is what a phone answered, or the PBX through which it is notified.
type Reply struct {
	Code   int // 0: nothing
	Reason string
	// Refused is set when the PBX refused to send the NOTIFY, with Reason; Relayed when it took it: what the phone answers it does not report.
	Refused, Relayed bool
	// Challenged is set when the phone still requires credentials: there are none for it, or it did not accept them.
	Challenged bool
}

// Sender sends NOTIFY requests.
type Sender struct{ version string }

// NewSender returns a Sender with the version for User-Agent headers. It silences the logger of package sip, which warns about each connection
// that is closed: what goes wrong is returned.
func NewSender(version string) Sender {
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
	return Sender{version}
}

// Notify sends one NOTIFY and waits for the final answer. It answers one challenge with the credentials of the phone's own line. A phone that does
// not answer within timer F gives a zero Reply and no error.
func (s Sender) Notify(ctx context.Context, t Target, reboot bool) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, transactionTime)
	defer cancel()
	local, err := localAddr(t.Addr)
	if err != nil {
		return Reply{}, err
	}
	// The certificate of a phone is its maker's or its own. The NOTIFY has no secret in it.
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("plugtone"), sipgo.WithUserAgentHostname(local.String()), sipgo.WithUserAgenTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		return Reply{}, err
	}
	defer ua.Close()
	client, err := sipgo.NewClient(ua, sipgo.WithClientHostname(local.String()), sipgo.WithClientNAT())
	if err != nil {
		return Reply{}, err
	}
	req := Request(t, reboot, local, s.version)
	req.Laddr = sip.Addr{IP: local.AsSlice()}
	res, err := client.Do(ctx, req)
	if err == nil && isChallenge(res) && t.Password != "" {
		res, err = client.DoDigestAuth(ctx, req, res, sipgo.DigestAuth{Username: t.AuthUser, Password: t.Password.Reveal()})
	}
	switch {
	case err == nil:
		return Reply{Code: res.StatusCode, Reason: res.Reason, Challenged: isChallenge(res)}, nil
	case errors.Is(err, sip.ErrTransactionTimeout), ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Reply{}, nil
	}
	return Reply{}, fmt.Errorf("send NOTIFY to %s over %s: %w", t.Addr, t.Transport, err)
}

func isChallenge(r *sip.Response) bool {
	return r.StatusCode == sip.StatusUnauthorized || r.StatusCode == sip.StatusProxyAuthRequired
}

// Request returns the NOTIFY that makes a phone fetch its files, or reboot. local is the address that it is sent from.
func Request(t Target, reboot bool, local netip.Addr, version string) *sip.Request {
	to := sip.Uri{Scheme: "sip", User: t.User, Host: t.Addr.Addr().String(), Port: int(t.Addr.Port())}
	if t.Transport != "udp" {
		to.UriParams.Add("transport", t.Transport)
	}
	req := sip.NewRequest(sip.NOTIFY, to)
	req.SetTransport(strings.ToUpper(t.Transport))
	req.SetDestination(t.Addr.String())
	body := bodyOf(t.Notify, reboot)
	req.AppendHeader(sip.NewHeader("Event", eventOf(t.Notify, reboot)))
	req.AppendHeader(sip.NewHeader("Subscription-State", "terminated")) // RFC 6665, 8.2.3 requires one
	req.AppendHeader(&sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "plugtone", Host: local.String()}})
	req.AppendHeader(sip.NewHeader("User-Agent", strings.TrimSpace("plugtone "+version)))
	if body != "" {
		req.AppendHeader(sip.NewHeader("Content-Type", t.Notify.ContentType))
		req.SetBody([]byte(strings.ReplaceAll(body, "\n", "\r\n")))
	}
	return req
}

// Through returns the NOTIFY for the PBX that a phone is notified through.
func Through(t Target, reboot bool) pbxroute.Notification {
	n := pbxroute.Notification{User: t.User, Domain: t.Domain, Addr: t.Addr.Addr(), Event: eventOf(t.Notify, reboot), Body: bodyOf(t.Notify, reboot), Reboot: reboot}
	if n.Body != "" {
		n.ContentType = t.Notify.ContentType
	}
	return n
}

func bodyOf(n packdoc.Notify, reboot bool) string {
	if reboot && n.RebootBody != "" {
		return n.RebootBody
	}
	return n.Body
}

// eventOf returns the Event header: check-sync;reboot=false.
func eventOf(n packdoc.Notify, reboot bool) string {
	event, parameter := n.Event, n.Plain
	if reboot {
		parameter = n.Reboot
		if n.RebootEvent != "" {
			event = n.RebootEvent
		}
	}
	if parameter == "" {
		return event
	}
	return event + ";" + parameter
}

// localAddr returns the address of this host from which packets to a phone leave. Nothing is sent.
func localAddr(to netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("no route to %s: %w", to.Addr(), err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
