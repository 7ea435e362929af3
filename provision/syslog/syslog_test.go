package syslog

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

func TestMessagesAreRead(t *testing.T) {
	for _, c := range []struct {
		line     string
		severity string
		facility int
		text     string
	}{
		// The examples of RFC 3164, 5.4, and RFC 5424, 6.5.
		{"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", "critical", 4, "su: 'su root' failed for lonvick on /dev/pts/8"},
		{"Use the BFG!", "notice", 1, "Use the BFG!"},
		{"<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.", "notice", 20, "1987 mymachine myproc[10]: %% It's time to make the do-nuts."},
		{"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8", "critical", 4, "su: 'su root' failed for lonvick on /dev/pts/8"},
		{`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App\]l\"" eventID="1011"] An application event`, "notice", 20, "evntslog: An application event"},
		{`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [a@1 iut="3"][b@1 class="high"]`, "notice", 20, `evntslog: [a@1 iut="3"][b@1 class="high"]`},
		{"<165>1 - - - - - - text", "notice", 20, "text"},
		// What phones leave out.
		{"<13>sua: <3+error> 0x0", "notice", 1, "sua: <3+error> 0x0"},
		{"<131>Nov  3 01:02:03 dsp[12]: no clock\n\x00", "error", 16, "dsp[12]: no clock"},
		{"<131>Nov  3 01:02:03 00:15:65:12:34:56 sip: lost", "error", 16, "sip: lost"},
		{"<7>1 not version one", "debug", 0, "1 not version one"},
		{"<192>x", "notice", 1, "<192>x"},
		{"<>x", "notice", 1, "<>x"},
		{"<34>", "critical", 4, ""},
		{"", "notice", 1, ""},
		{"\r\n", "notice", 1, ""},
	} {
		m, ok := Parse(c.line)
		if m.SeverityName() != c.severity || m.Facility != c.facility || m.Text != c.text || ok != (c.text != "") {
			t.Errorf("%q: %s %d %q %t", c.line, m.SeverityName(), m.Facility, m.Text, ok)
		}
	}
}

var (
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	phoneMAC = dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}
	phoneAt  = netip.MustParseAddr("10.20.1.7")
	printer  = netip.MustParseAddr("10.20.1.8")
)

// fixture is a server for one phone and a printer, with its clock.
type fixture struct {
	*Server
	now        time.Time
	stored     []timeline.Entry
	secrets    []string
	generation uint64
	read       int // how often the secrets were read
}

func newFixture() *fixture {
	f := &fixture{now: noon}
	f.Server = &Server{
		LeaseAt: func(a netip.Addr) (dhcp.Lease, bool) {
			return dhcp.Lease{MAC: phoneMAC, Phone: a == phoneAt, Vendor: "acme"}, a == phoneAt || a == printer
		},
		Secrets:    func(dhcp.MAC) []string { f.read++; return f.secrets },
		Generation: func() uint64 { return f.generation }, Record: func(e timeline.Entry) { f.stored = append(f.stored, e) },
		Counted: func(string) {}, Now: func() time.Time { return f.now }, Log: slog.New(slog.DiscardHandler),
	}
	return f
}

func TestLinesBelongToThePhoneWithTheLease(t *testing.T) {
	f := newFixture()
	for line, want := range map[string]string{"<11>sua: lost \x1b[31mred\x1b[0m\x07": Stored, "<11>": Empty} {
		if got := f.handle(line, phoneAt); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
	if got := f.handle("<11>x", printer); got != NoPhone {
		t.Errorf("a printer: %s", got)
	}
	if got := f.handle("<11>x", netip.MustParseAddr("10.20.1.9")); got != NoLease {
		t.Errorf("an address without a lease: %s", got)
	}
	want := timeline.Entry{Time: noon, MAC: phoneMAC, Source: "syslog", Event: "log", Verdict: "error", Reason: "sua: lost ?[31mred?[0m?", Addr: phoneAt, Vendor: "acme"}
	if len(f.stored) != 1 || f.stored[0] != want {
		t.Errorf("%+v", f.stored)
	}
}

func TestKnownPasswordsAreMasked(t *testing.T) {
	f := newFixture()
	f.secrets = []string{"s3cret-long", "s3cret"}
	for range 3 {
		f.handle("<14>login 1001 s3cret-long, s3cret; "+strings.Repeat("x", maxText), phoneAt)
	}
	f.secrets, f.generation = []string{"n3w"}, 1 // the password changes
	f.handle("<14>login n3w", phoneAt)
	var got []string
	for _, e := range f.stored {
		got = append(got, e.Reason[:min(len(e.Reason), 24)])
	}
	if !slices.Equal(got, []string{"login 1001 ***, ***; xxx", "login 1001 ***, ***; xxx", "login 1001 ***, ***; xxx", "login ***"}) || f.read != 2 {
		t.Errorf("%q, secrets read %d times", got, f.read)
	}
	if n := len(f.stored[0].Reason); n > maxText {
		t.Errorf("%d bytes", n)
	}
}

func TestValuesOfSecretNamesAreMasked(t *testing.T) {
	for line, want := range map[string]string{
		"sua: login user=1001 pin=12 ok":                             "sua: login user=1001 pin=*** ok",
		"cfg[12]: account.1.password=ab, Config: pin: 12":            "cfg[12]: account.1.password=***, Config: pin: ***",
		"password: , user=1001":                                      "password: , user=1001",
		"account.1.password = 7, account.1.label = Desk":             "account.1.password = ***, account.1.label = Desk",
		`{"adminPwd": "a b", "user": "admin"}`:                       `{"adminPwd": "***", "user": "admin"}`,
		`reg user="1001" secret='x y' port=5060`:                     `reg user="1001" secret='***' port=5060`,
		`password="never ends`:                                       `password="***"`,
		"<Password perm=\"R\">ab</Password><Name>Desk</Name>":        "<Password perm=\"R\">***</Password><Name>Desk</Name>",
		"GET http://phone:ab@10.20.0.2/x.cfg":                        "GET http://phone:***@10.20.0.2/x.cfg",
		"Authorization: Basic cGhvbmU6YWI= ok":                       "Authorization: *** ok",
		"fetching 10.20.0.2:80 at 12:30:01, registration: ok":        "fetching 10.20.0.2:80 at 12:30:01, registration: ok",
		"password=a;b,c&d=e<f\"g'h user=1001":                        "password=*** user=1001",
		"password: ab;cd; pin=1,2":                                   "password: ***; pin=***",
		"GET /x?user=1001&password=a;b&mac=1 ok":                     "GET /x?user=1001&password=*** ok",
		`secret="a\"b;c" user=1001`:                                  `secret="***" user=1001`,
		"GET ftp://phone:a@b;c@10.20.0.2/x.cfg":                      "GET ftp://phone:***@10.20.0.2/x.cfg",
		"password wrong, wait 5 s":                                   "password wrong, wait 5 s",
		"P2=1 network.port.pc=auto linekey.1.type=16 features.dnd=0": "P2=1 network.port.pc=auto linekey.1.type=16 features.dnd=0",
	} {
		if got := masked(line, nil); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := masked("x s3cret-long s3cret", []string{"s3cret-long", "s3cret"}); got != "x *** ***" {
		t.Errorf("%q", got)
	}
}

func TestAChattyPhoneIsLimited(t *testing.T) {
	f := newFixture()
	count := map[string]int{}
	for n := range 3 * burst {
		count[f.handle(fmt.Sprintf("<14>line %d", n), phoneAt)]++
	}
	if count[Stored] != burst || count[Limited] != 2*burst {
		t.Errorf("%v", count)
	}
	f.now = f.now.Add(time.Second)
	f.handle("<14>later", phoneAt)
	if last := f.stored[len(f.stored)-1].Reason; last != "later (100 lines before it are not kept: more than 1 a second)" {
		t.Errorf("%q", last)
	}
	if got := f.handle("<14>again", phoneAt); got != Limited {
		t.Errorf("a second line in a second: %s", got)
	}
}

func TestServerEndsWithItsContext(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture()
	outcomes := make(chan string, 1)
	f.Conns, f.Counted = []net.PacketConn{conn}, func(o string) { outcomes <- o }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, func() {}) }()
	client, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("<14>x")); err != nil {
		t.Fatal(err)
	}
	if o := <-outcomes; o != NoLease {
		t.Errorf("%s", o)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<34>Oct 11 22:14:15 mymachine su: x")
	f.Add(`<165>1 2003-10-11T22:14:15.003Z host app - ID47 [a@1 b="c\]"] text`)
	f.Add("<34>1 - - - - - [")
	f.Fuzz(func(t *testing.T, line string) {
		m, ok := Parse(line)
		if m.Severity < 0 || m.Severity > 7 || m.Facility < 0 || m.Facility > 23 || ok != (m.Text != "") || len(m.Text) > len(line)+2 {
			t.Errorf("%q: %+v %t", line, m, ok)
		}
		if shown := dhcp.Printable(masked(m.Text, nil), maxText); len(shown) > maxText || !utf8.ValidString(shown) {
			t.Errorf("%q is shown as %q", line, shown)
		}
	})
}
