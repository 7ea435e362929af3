package pbxroute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// amiClient uses Asterisk's manager interface: blocks of "Key: value" lines that end in an empty line. Which keys there are is in the documentation of each action.
type amiClient struct{ Config }

// amiConn is a connection that has logged in.
type amiConn struct {
	w      io.Writer
	r      *blocks
	close  func()
	banner string
}

type amiMessage = textproto.MIMEHeader

// login logs in. events are the classes of events that are sent without request.
func (c amiClient) login(ctx context.Context, events string) (*amiConn, error) {
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	conn, closed, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &amiConn{w: conn, r: newBlocks(conn), close: closed}
	defer time.AfterFunc(callTime, func() { conn.Close() }).Stop()
	s.banner, err = s.r.line()
	switch {
	case err != nil:
		err = fmt.Errorf("read from the manager interface: %w; look at permit, deny and bindaddr in manager.conf", err)
	case !strings.HasPrefix(s.banner, "Asterisk Call Manager"):
		err = fmt.Errorf("address: it is no manager interface, it sent %.60q", s.banner)
	default:
		_, err = s.do("Login", "Username", c.User, "Secret", password, "Events", events)
		if refused, ok := errors.AsType[*NotSent](err); ok {
			err = fmt.Errorf("login refused (%s): look at user and password_file, and at permit in manager.conf", refused.Reason)
		}
	}
	if err != nil {
		closed()
		return nil, err
	}
	return s, nil
}

// read returns the next block.
func (s *amiConn) read() (amiMessage, error) {
	h, err := s.r.headers()
	if err != nil {
		return nil, fmt.Errorf("read from the manager interface: %w", err)
	}
	return h, nil
}

// do sends an action with pairs of keys and values, and returns its response. The error is a *NotSent when the response is an error.
func (s *amiConn) do(action string, pairs ...string) (amiMessage, error) {
	if err := oneLine(pairs...); err != nil {
		return nil, err
	}
	text := "Action: " + action + "\r\n"
	for i := 0; i < len(pairs); i += 2 {
		text += pairs[i] + ": " + pairs[i+1] + "\r\n"
	}
	if _, err := io.WriteString(s.w, text+"\r\n"); err != nil {
		return nil, fmt.Errorf("write to the manager interface: %w", err)
	}
	s.r.beginAnswer()
	for {
		m, err := s.read()
		if err != nil {
			return nil, err
		}
		switch m.Get("Response") {
		case "":
			continue // an event
		case "Error":
			return m, &NotSent{Reason: m.Get("Message"), Refused: true}
		}
		return m, nil
	}
}

// notify uses PJSIPNotify, and SIPnotify for accounts of chan_sip. Asterisk sends the NOTIFY to every contact of the endpoint: it can't be limited to one.
func (c amiClient) notify(ctx context.Context, n Notification) error {
	s, err := c.login(ctx, "off")
	if err != nil {
		return err
	}
	defer s.close()
	all, err := s.contactsOf(n.User)
	if err != nil {
		return err
	}
	if all != nil {
		if _, err := choose(all, n); err != nil {
			return err
		}
	}
	variables := []string{"Variable", "Event=" + quoteVariable(n.Event)}
	if n.Body != "" {
		variables = append(variables, "Variable", "Content-Type="+n.ContentType)
		for line := range strings.SplitSeq(strings.TrimSuffix(n.Body, "\n"), "\n") {
			variables = append(variables, "Variable", "Content="+quoteVariable(line))
		}
	}
	_, pjsip := s.do("PJSIPNotify", append([]string{"Endpoint", n.User}, variables...)...)
	refused, ok := errors.AsType[*NotSent](pjsip)
	if !ok {
		return pjsip
	}
	if _, err := s.do("SIPnotify", append([]string{"Channel", n.User}, variables...)...); err != nil {
		if sip, ok := errors.AsType[*NotSent](err); ok {
			return &NotSent{Reason: fmt.Sprintf("Asterisk refused PJSIPNotify: %s; and SIPnotify: %s", refused.Reason, sip.Reason), Refused: true}
		}
		return err
	}
	return nil
}

// quoteVariable writes a value of a header Variable, where a comma separates variables and a backslash takes its meaning.
func quoteVariable(v string) string { return strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(v) }

// contactsOf returns the contacts of an endpoint. It returns nil, and not an empty list, where Asterisk has no PJSIP: chan_sip has no such list.
func (s *amiConn) contactsOf(endpoint string) ([]Contact, error) {
	all, err := s.list("PJSIPShowContacts", "ContactList", pjsipContact)
	if _, ok := errors.AsType[*NotSent](err); ok {
		return nil, nil
	}
	out := []Contact{}
	for _, c := range all {
		if c.User == endpoint {
			out = append(out, c)
		}
	}
	return out, err
}

// list runs an action that answers with a list: events of one name, then one with "EventList: Complete".
func (s *amiConn) list(action, event string, read func(amiMessage) (Contact, bool)) ([]Contact, error) {
	if _, err := s.do(action); err != nil {
		return nil, err
	}
	out := []Contact{}
	for {
		m, err := s.read()
		switch {
		case err != nil:
			return nil, err
		case m.Get("EventList") == "Complete":
			return out, nil
		case m.Get("Event") == event:
			if c, ok := read(m); ok {
				out = append(out, c)
			}
		}
	}
}

// pjsipContact reads an event ContactList of PJSIPShowContacts. A Uri may have its port and parameters percent-encoded in names of Asterisk 13.
func pjsipContact(m amiMessage) (Contact, bool) {
	user := m.Get("Endpoint")
	if user == "" { // older versions name the contact AOR/URI, later ones AOR;@HASH
		user = m.Get("ObjectName")
		if i := strings.IndexAny(user, "/;@"); i >= 0 {
			user = user[:i]
		}
	}
	c := Contact{User: user, Inner: addrOf(m.Get("ViaAddr")), Addr: hostOf(m.Get("Uri")), Agent: m.Get("UserAgent"), Unreachable: m.Get("Status") == "Unreachable"}
	return c, user != ""
}

// sipPeer reads an event PeerEntry of SIPpeers.
func sipPeer(m amiMessage) (Contact, bool) {
	addr := addrOf(m.Get("IPaddress"))
	status := m.Get("Status")
	return Contact{User: m.Get("ObjectName"), Addr: addr, Unreachable: strings.HasPrefix(status, "UNREACHABLE")}, addr.IsValid() && m.Get("Dynamic") == "yes"
}

// contacts lists those of PJSIP and of chan_sip.
func (c amiClient) contacts(ctx context.Context) ([]Contact, error) {
	s, err := c.login(ctx, "off")
	if err != nil {
		return nil, err
	}
	defer s.close()
	pjsip, err := s.list("PJSIPShowContacts", "ContactList", pjsipContact)
	missing, ok := errors.AsType[*NotSent](err)
	if err != nil && !ok {
		return nil, err
	}
	sip, err := s.list("SIPpeers", "PeerEntry", sipPeer)
	if other, refused := errors.AsType[*NotSent](err); refused {
		if missing != nil {
			return nil, fmt.Errorf("it refuses PJSIPShowContacts (%s) and SIPpeers (%s): the user needs write = system in manager.conf", missing.Reason, other.Reason)
		}
		err = nil
	}
	return append(pjsip, sip...), err
}

// watch reads security events: InvalidPassword and ChallengeResponseFailed are those of a REGISTER with a wrong password. The user needs read = security.
func (c amiClient) watch(ctx context.Context, now func() time.Time, refused func(Refusal)) error {
	s, err := c.login(ctx, "security")
	if err != nil {
		return err
	}
	defer s.close()
	for {
		s.r.beginAnswer()
		m, err := s.read()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if r, ok := securityEvent(m); ok {
			r.Time = now()
			refused(r)
		}
	}
}

// securityEvent reads an event of SIP. RemoteAddress is IPV4/UDP/10.20.1.7/5060.
func securityEvent(m amiMessage) (Refusal, bool) {
	reasons := map[string]string{"InvalidPassword": "wrong password", "ChallengeResponseFailed": "wrong password", "InvalidAccountID": "no such account",
		"FailedACL": "its address is not allowed"}
	reason := reasons[m.Get("Event")]
	service := m.Get("Service")
	if reason == "" || service != "PJSIP" && service != "SIP" {
		return Refusal{}, false
	}
	var addr string
	if parts := strings.Split(m.Get("RemoteAddress"), "/"); len(parts) == 4 {
		addr = parts[2]
	} else if host, _, err := net.SplitHostPort(m.Get("RemoteAddress")); err == nil {
		addr = host
	}
	return Refusal{User: m.Get("AccountID"), Addr: addrOf(addr), Reason: "the PBX refused it: " + reason}, true
}
