package pbxroute

import (
	"bufio"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// eslClient uses FreeSWITCH's event socket (mod_event_socket): header blocks that end in an empty line, some with a body of Content-Length.
type eslClient struct{ Config }

// eslConn is a connection that has logged in.
type eslConn struct {
	w     io.Writer
	r     *blocks
	close func()
}

// eslMessage is one block that the server sends.
type eslMessage struct {
	kind  string // Content-Type
	reply string // Reply-Text
	body  string
}

func (c eslClient) login(ctx context.Context) (*eslConn, error) {
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	conn, closed, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &eslConn{conn, newBlocks(conn), closed}
	defer time.AfterFunc(callTime, func() { conn.Close() }).Stop()
	first, err := s.read()
	switch {
	case err == nil && first.kind == "text/rude-rejection":
		err = errors.New("it refuses connections from this host: allow it in apply-inbound-acl of event_socket.conf.xml")
	case err == nil && first.kind != "auth/request":
		err = fmt.Errorf("address: it is no event socket, it sent Content-Type %q", first.kind)
	case err == nil:
		command := "auth " + password
		if c.User != "" {
			command = "userauth " + c.User + ":" + password
		}
		var m eslMessage
		if m, err = s.do(command); err == nil && !strings.HasPrefix(m.reply, "+OK") {
			err = fmt.Errorf("login refused (%s): look at password_file and user", m.reply)
		}
	}
	if err != nil {
		closed()
		return nil, err
	}
	return s, nil
}

// read returns the next block. A block that ends the connection is an error.
func (s *eslConn) read() (eslMessage, error) {
	h, err := s.r.headers()
	if err != nil {
		return eslMessage{}, fmt.Errorf("read from the event socket: %w", err)
	}
	m := eslMessage{kind: h.Get("Content-Type"), reply: h.Get("Reply-Text")}
	if text := h.Get("Content-Length"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxAnswer {
			return m, fmt.Errorf("read from the event socket: Content-Length %q", text)
		}
		if m.body, err = s.r.body(n); err != nil {
			return m, fmt.Errorf("read from the event socket: %w", err)
		}
	}
	if m.kind == "text/disconnect-notice" {
		return m, errors.New("the event socket ended the connection")
	}
	return m, nil
}

// do sends a command and returns its answer; events that come between are dropped.
func (s *eslConn) do(command string) (eslMessage, error) {
	if _, err := io.WriteString(s.w, command+"\n\n"); err != nil {
		return eslMessage{}, fmt.Errorf("write to the event socket: %w", err)
	}
	s.r.beginAnswer()
	for {
		m, err := s.read()
		if err != nil || m.kind == "command/reply" || m.kind == "api/response" {
			return m, err
		}
	}
}

func (c eslClient) profile() string { return cmp.Or(c.Profile, "internal") }

// notify sends one NOTIFY for each contact of the phone. FreeSWITCH finds a contact by the Call-ID of its registration, so that other phones of the account
// are left alone.
func (c eslClient) notify(ctx context.Context, n Notification) error {
	if err := oneLine(n.User, n.Domain, n.Event, n.ContentType); err != nil {
		return err
	}
	if strings.ContainsAny(n.User+n.Domain, " \t'\"") {
		return &NotSent{Reason: fmt.Sprintf("the user %q has a character that a command of FreeSWITCH can't have", n.User), Refused: true}
	}
	s, err := c.login(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	all, err := c.list(s, " user "+n.User+"@"+n.Domain)
	if err != nil {
		return err
	}
	chosen, err := choose(all, n)
	if err != nil {
		return err
	}
	for _, to := range chosen {
		if err := oneLine(to.callID); err != nil {
			return err
		}
		body := strings.ReplaceAll(n.Body, "\n", "\r\n")
		m, err := s.do(fmt.Sprintf("sendevent NOTIFY\nprofile: %s\nevent-string: %s\nuser: %s\nhost: %s\ncall-id: %s\ncontent-type: %s\ncontent-length: %d\n\n%s",
			c.profile(), n.Event, n.User, n.Domain, to.callID, n.contentType(), len(body), body))
		if err != nil {
			return err
		}
		if !strings.HasPrefix(m.reply, "+OK") {
			return &NotSent{Reason: "FreeSWITCH refused the event NOTIFY: " + m.reply, Refused: true}
		}
	}
	return nil
}

// list returns registrations of the profile.
func (c eslClient) list(s *eslConn, which string) ([]Contact, error) {
	m, err := s.do("api sofia xmlstatus profile " + c.profile() + cmp.Or(which, " reg"))
	if err != nil {
		return nil, err
	}
	if m.kind == "command/reply" { // a user without the permission for the command
		return nil, fmt.Errorf("it refuses the command sofia (%s): allow it in esl-allowed-api of the user", m.reply)
	}
	var x struct {
		Registrations []struct {
			CallID  string `xml:"call-id"`
			User    string `xml:"user"`
			Contact string `xml:"contact"`
			Agent   string `xml:"agent"`
			Ping    string `xml:"ping-status"`
			IP      string `xml:"network-ip"`
		} `xml:"registrations>registration"`
	}
	d := xml.NewDecoder(strings.NewReader(strings.ToValidUTF8(m.body, "?"))) // a phone chooses its User-Agent
	d.CharsetReader = latin1
	if err := d.Decode(&x); err != nil {
		return nil, fmt.Errorf("profile %s: FreeSWITCH answered %.100q", c.profile(), strings.TrimSpace(m.body))
	}
	out := make([]Contact, 0, len(x.Registrations))
	for _, r := range x.Registrations {
		user, domain, _ := strings.Cut(r.User, "@")
		out = append(out, Contact{User: user, Domain: domain, Addr: addrOf(r.IP), Inner: hostOf(r.Contact), Agent: r.Agent, Unreachable: r.Ping == "Unreachable",
			callID: r.CallID, profile: c.profile()})
	}
	return out, nil
}

// latin1 reads the encoding that FreeSWITCH names, ISO-8859-1. Real values are UTF-8 or ASCII, and pass through.
func latin1(_ string, r io.Reader) (io.Reader, error) { return r, nil }

func (c eslClient) contacts(ctx context.Context) ([]Contact, error) {
	s, err := c.login(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return c.list(s, "")
}

// watch subscribes to sofia::register_failure, which FreeSWITCH sends for each REGISTER that it answers with 403.
func (c eslClient) watch(ctx context.Context, now func() time.Time, refused func(Refusal)) error {
	s, err := c.login(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	m, err := s.do("event plain CUSTOM sofia::register_failure")
	if err == nil && !strings.HasPrefix(m.reply, "+OK") {
		err = fmt.Errorf("it refuses the events sofia::register_failure (%s): allow them in esl-allowed-events of the user", m.reply)
	}
	for err == nil {
		s.r.beginAnswer()
		if m, err = s.read(); err == nil && m.kind == "text/event-plain" {
			if r, ok := registerFailure(m.body); ok {
				r.Time = now()
				refused(r)
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// registerFailure reads an event in FreeSWITCH's plain form: headers with percent-encoded values.
func registerFailure(body string) (Refusal, bool) {
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(body))).ReadMIMEHeader()
	if err != nil && len(h) == 0 {
		return Refusal{}, false
	}
	value := func(name string) string {
		v, err := url.PathUnescape(h.Get(name))
		if err != nil {
			return h.Get(name)
		}
		return v
	}
	if value("Event-Subclass") != "sofia::register_failure" || value("registration-type") == "INVITE" {
		return Refusal{}, false
	}
	return Refusal{User: value("to-user"), Domain: value("to-host"), Addr: addrOf(value("network-ip")), Reason: "the PBX answered 403"}, true
}
