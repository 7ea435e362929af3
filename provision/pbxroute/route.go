// Package pbxroute has clients of the PBXs that can send a SIP NOTIFY to their registered phones and list who is registered: the event socket
// of FreeSWITCH (esl), the manager interface of Asterisk (ami), and the REST interface of FS PBX (fspbx). Kamailio and OpenSIPS list who is registered only (kamailio).
//
// Which phones are notified and when is the subject of package notify; what the contacts mean for a phone, of package registration.
package pbxroute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// The ways in which a phone is notified. Direct is no route through a PBX.
const (
	Direct = "direct"
	ESL    = "esl"
	AMI    = "ami"
	FSPBX  = "fspbx"
)

// Kamailio lists who is registered, for Config.PollBy, and is no route.
const Kamailio = "kamailio"

// Kinds are the routes through a PBX.
func Kinds() []string { return []string{ESL, AMI, FSPBX} }

// PollKinds are the kinds of PBX that list who is registered.
func PollKinds() []string { return append(Kinds(), Kamailio) }

// callTime bounds one exchange with a PBX: connecting, logging in, and the answer.
const callTime = 10 * time.Second

// maxAnswer bounds what is read of one answer, in bytes: 100,000 contacts take about 70 MiB.
const maxAnswer = 128 << 20

// Config is how the PBX of one registrar is reached.
type Config struct {
	Registrar    string        // name of the record
	Notify       string        // Direct, or a kind
	PollBy       string        // a kind, for Poll with Direct; "": that of Notify
	Address      string        // HOST:PORT; for fspbx the URL of its API; for kamailio a DSN, or the URL of its JSON-RPC
	User         string        // ami: name of the manager user; esl: USER@DOMAIN, "" for the password of the event socket itself; kamailio: of HTTP Basic, "" for none
	PasswordFile string        // password; for fspbx the token; for kamailio "" where there is none
	Profile      string        // esl: the SIP profile that phones register with; "": internal
	Poll         time.Duration // how often contacts are listed; 0: never
}

// Kind returns the route that the PBX is reached by; "" when it is not.
func (c Config) Kind() string {
	if c.Notify != Direct {
		return c.Notify
	}
	return c.PollBy
}

// Validate returns an error that names the key that can't be used.
func (c Config) Validate() error {
	kind := c.Kind()
	switch {
	case kind == "" && c.Poll > 0:
		return fmt.Errorf("poll needs a PBX to list the contacts: set notify to one of %s, or poll_by to one of %s", strings.Join(Kinds(), " "), strings.Join(PollKinds(), " "))
	case kind == "":
		return nil
	case c.PollBy != "" && c.PollBy != kind:
		return fmt.Errorf("poll_by %s must be that of notify, %s: there is one address", c.PollBy, kind)
	case kind == Kamailio:
		return c.validateKamailio()
	case c.PasswordFile == "":
		return fmt.Errorf("has no password_file: %s needs one", kind)
	case kind == AMI && c.User == "":
		return errors.New("has no user: ami needs the name of a user in manager.conf")
	case kind == FSPBX:
		u, err := url.Parse(c.Address)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return errors.New("address must be the URL of FS PBX without a user, such as https://pbx.example.com")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("address %q must be HOST:PORT, such as pbx.example.com:%d", c.Address, map[string]int{ESL: 8021, AMI: 5038}[kind])
	}
	if strings.ContainsAny(c.User+c.Profile, "\r\n \t") {
		return errors.New("user and profile must not have spaces")
	}
	return nil
}

// Notification is one NOTIFY for the phones of an account.
type Notification struct {
	User, Domain string
	Addr         netip.Addr // of the phone; the zero Addr: not known
	Event        string     // value of the Event header
	ContentType  string
	Body         string // lines end in \n
	Reboot       bool
}

// Contact is one registration of an account.
type Contact struct {
	User, Domain string     // Domain is "" where the PBX has one only
	Addr         netip.Addr // where the REGISTER came from
	Inner        netip.Addr // address in the contact; another than Addr behind NAT
	Agent        string     // User-Agent of the phone
	Unreachable  bool       // the PBX has sent OPTIONS and got no answer

	callID, profile string
}

// At reports whether the contact is that of a phone with this address.
func (c Contact) At(addr netip.Addr) bool {
	return addr.IsValid() && (c.Addr == addr || c.Inner == addr)
}

// Refusal is a REGISTER that a PBX has refused.
type Refusal struct {
	Time         time.Time
	User, Domain string
	Addr         netip.Addr
	Reason       string // in words: the PBX answered 403
}

// NotSent is why a PBX has sent nothing, although it could be reached.
type NotSent struct {
	Reason  string
	Refused bool // the PBX refused the request; otherwise there is no phone to send it to
}

func (e *NotSent) Error() string { return e.Reason }

// Unreachable is why a PBX could not be used at all. Its text names the key of the configuration to look at.
type Unreachable struct {
	Registrar, Kind, Address string
	Err                      error
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("the PBX of the registrar %s (%s %s): %v", e.Registrar, e.Kind, e.Address, e.Err)
}

func (e *Unreachable) Unwrap() error { return e.Err }

// client is one kind of PBX.
type client interface {
	notify(ctx context.Context, n Notification) error
	contacts(ctx context.Context) ([]Contact, error)
	// watch calls refused for each REGISTER that the PBX refuses, until ctx ends or the connection breaks. It returns nil at once where the
	// PBX does not report them.
	watch(ctx context.Context, now func() time.Time, refused func(Refusal)) error
}

// PBX is the PBX of one registrar. Its methods may be called from any goroutine.
type PBX struct {
	Config
	client
}

// New returns the PBX of a valid configuration that has a kind. Nothing is sent yet.
func New(c Config) PBX {
	switch c.Kind() {
	case ESL:
		return PBX{c, eslClient{c}}
	case AMI:
		return PBX{c, amiClient{c}}
	case Kamailio:
		return PBX{c, kamailioClient{c}}
	}
	return PBX{c, fspbxClient{c}}
}

// Notify makes the PBX send a NOTIFY. What the phone answers is not reported. The error is a *NotSent or an *Unreachable.
func (p PBX) Notify(ctx context.Context, n Notification) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := p.notify(ctx, n)
	if _, ok := errors.AsType[*NotSent](err); ok {
		return err
	}
	return p.wrap(err)
}

// Contacts lists who is registered. The error is an *Unreachable.
func (p PBX) Contacts(ctx context.Context) ([]Contact, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*callTime)
	defer cancel()
	list, err := p.contacts(ctx)
	return list, p.wrap(err)
}

// Watch calls refused for each REGISTER that the PBX refuses, until ctx ends or the connection breaks. It returns at once where the PBX
// does not report them.
func (p PBX) Watch(ctx context.Context, now func() time.Time, refused func(Refusal)) error {
	return p.wrap(p.watch(ctx, now, refused))
}

func (p PBX) wrap(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, net.ErrClosed) {
		err = errors.New("it did not answer in time")
	}
	return &Unreachable{p.Registrar, p.Kind(), p.Address, err}
}

// password reads the file at each use: a changed password needs no reload.
func (c Config) password() (string, error) {
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	p := strings.TrimRight(string(b), "\r\n")
	if strings.ContainsAny(p, "\r\n") {
		return "", fmt.Errorf("password_file %s has several lines", c.PasswordFile)
	}
	return p, nil
}

// dial connects. The connection ends with ctx.
func (c Config) dial(ctx context.Context) (net.Conn, func(), error) {
	conn, err := (&net.Dialer{Timeout: callTime}).DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("address: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { stop(); conn.Close() }, nil
}

// choose returns the contacts of a phone among those of its account: the one at its address. An account with one contact has no other phone.
func choose(all []Contact, n Notification) ([]Contact, error) {
	if len(all) == 0 {
		return nil, &NotSent{Reason: fmt.Sprintf("%s@%s is not registered at the PBX", n.User, n.Domain)}
	}
	at := slices.DeleteFunc(slices.Clone(all), func(c Contact) bool { return !c.At(n.Addr) })
	switch {
	case len(at) > 0:
		return at, nil
	case len(all) == 1 || !n.Addr.IsValid():
		return all, nil
	}
	return nil, &NotSent{Reason: fmt.Sprintf("%s@%s has %d registrations at the PBX, and none from %s", n.User, n.Domain, len(all), n.Addr)}
}

// hostOf returns the address in a SIP URI, as in "Bob" <sip:1001@10.20.1.7:5060;ob>; the zero Addr when its host is a name.
func hostOf(uri string) netip.Addr {
	if _, rest, ok := strings.Cut(uri, "<"); ok {
		uri, _, _ = strings.Cut(rest, ">")
	}
	uri, _, _ = strings.Cut(uri, ";")
	if i := strings.LastIndexByte(uri, '@'); i >= 0 {
		uri = uri[i+1:]
	} else {
		_, uri, _ = strings.Cut(uri, ":") // sip:10.20.1.7
	}
	host, _, err := net.SplitHostPort(uri)
	if err != nil {
		host = uri
	}
	return addrOf(host)
}

// addrOf returns an address without zone, or the zero Addr.
func addrOf(text string) netip.Addr {
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// oneLine reports an error when a value would end its line in a protocol of lines.
func oneLine(values ...string) error {
	for _, v := range values {
		if strings.ContainsAny(v, "\r\n\x00") {
			return &NotSent{Reason: fmt.Sprintf("%q has a line break, which the PBX would take as a further command", v), Refused: true}
		}
	}
	return nil
}

// contentType is that of a NOTIFY without a body, for PBXs that want one.
func (n Notification) contentType() string {
	return cmp.Or(n.ContentType, "application/simple-message-summary")
}
