package pbxroute_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/provision/pbxroute"
)

// freeSWITCH is an event socket as FreeSWITCH's manual describes it (mod_event_socket, mod_sofia): it wants "auth PASSWORD", answers "api" with a body of
// Content-Length, and "sendevent" and "event" with a Reply-Text.
func freeSWITCH(t *testing.T, registrations string) *fake {
	reply := func(text string) string { return "Content-Type: command/reply\nReply-Text: " + text + "\n\n" }
	api := func(body string) string {
		return fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
	}
	f := &fake{greeting: "Content-Type: auth/request\n\n"}
	f.answer = func(block string) string {
		command := lines(block)[0]
		switch {
		case command == "auth ClueCon", command == "userauth plugtone@pbx.example.com:ClueCon":
			return reply("+OK accepted")
		case strings.HasPrefix(command, "auth"), strings.HasPrefix(command, "userauth"):
			return reply("-ERR invalid") + "Content-Type: text/disconnect-notice\nContent-Length: 13\n\nDisconnected\n"
		case command == "api version":
			return api("FreeSWITCH Version 1.10.11-release+git~20231222T180831Z~f24064f7c9~64bit\n")
		case strings.HasPrefix(command, "api sofia xmlstatus profile internal"):
			return api("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<profile>\n  <registrations>\n" + registrations + "  </registrations>\n</profile>\n")
		case strings.HasPrefix(command, "api sofia xmlstatus profile "):
			return api("Invalid Profile!\n")
		case command == "sendevent NOTIFY":
			return reply("+OK 5d57a9ee-0a8a-4b4b-8a4a-0f7b7e0b6ee6")
		case strings.HasPrefix(command, "event plain"):
			event := "Event-Subclass: sofia%3A%3Aregister_failure\nEvent-Name: CUSTOM\nprofile-name: internal\nto-user: 1001\nto-host: pbx.example.com\nnetwork-ip: 10.20.1.7\n" +
				"user-agent: Yealink%20SIP-T46U%20108.86.0.20\nnetwork-port: 5060\nregistration-type: REGISTER\n\n"
			return reply("+OK event listener enabled plain") + fmt.Sprintf("Content-Length: %d\nContent-Type: text/event-plain\n\n%s", len(event), event)
		}
		return reply("-ERR command not found")
	}
	f.start(t)
	return f
}

// registration is one of sofia xmlstatus.
func registration(callID, user, contact, ip, agent string) string {
	return fmt.Sprintf("<registration><call-id>%s</call-id><user>%s</user><contact>&quot;%s&quot; &lt;%s&gt;</contact><agent>%s</agent>"+
		"<status>Registered(UDP)(unknown) exp(2026-11-22 12:00:00) expsecs(233)</status><ping-status>Reachable</ping-status><ping-time>0.00</ping-time>"+
		"<network-ip>%s</network-ip><network-port>5060</network-port><sip-auth-user>1001</sip-auth-user><sip-auth-realm>pbx.example.com</sip-auth-realm></registration>\n",
		callID, user, "Bob", contact, agent, ip)
}

var twoPhones = registration("aaa@10.20.1.7", "1001@pbx.example.com", "sip:1001@10.20.1.7:5060", "10.20.1.7", "Yealink SIP-T46U 108.86.0.20") +
	registration("bbb", "1001@pbx.example.com", "sip:1001@192.168.1.9:5062;transport=udp;fs_nat=yes;fs_path=sip%3A1001%40198.51.100.4%3A5062", "198.51.100.4", "Snom\xe9")

func esl(t *testing.T, f *fake) pbxroute.Config {
	c := pbxroute.Config{Registrar: "main", Notify: pbxroute.ESL, Address: f.addr, PasswordFile: passwordFile(t, "ClueCon")}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func notification(addr string) pbxroute.Notification {
	n := pbxroute.Notification{User: "1001", Domain: "pbx.example.com", Event: "check-sync;reboot=false"}
	if addr != "" {
		n.Addr = netip.MustParseAddr(addr)
	}
	return n
}

func TestFreeSWITCHNotifiesThePhoneAtTheAddressOnly(t *testing.T) {
	for addr, want := range map[string][]string{
		"10.20.1.7":    {"aaa@10.20.1.7"},
		"198.51.100.4": {"bbb"}, // where it comes from
		"192.168.1.9":  {"bbb"}, // its own, behind NAT
		"":             {"aaa@10.20.1.7", "bbb"},
	} {
		f := freeSWITCH(t, twoPhones)
		if err := pbxroute.New(esl(t, f)).Notify(t.Context(), notification(addr)); err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		got := f.sent("sendevent NOTIFY")
		if len(got) != len(want) {
			t.Fatalf("%s: %d NOTIFYs", addr, len(got))
		}
		for i, id := range want {
			// mod_sofia sends nothing without content-type.
			if !has(got[i], "profile: internal", "event-string: check-sync;reboot=false", "user: 1001", "host: pbx.example.com", "call-id: "+id,
				"content-type: application/simple-message-summary", "content-length: 0") {
				t.Errorf("%s: sent\n%s", addr, got[i])
			}
		}
		if cmd := f.sent("api sofia"); len(cmd) != 1 || cmd[0] != "api sofia xmlstatus profile internal user 1001@pbx.example.com" {
			t.Errorf("%q", cmd)
		}
	}
}

func TestPhoneThatIsNotRegisteredIsNotNotified(t *testing.T) {
	for registrations, want := range map[string]string{
		"":        "1001@pbx.example.com is not registered at the PBX",
		twoPhones: "1001@pbx.example.com has 2 registrations at the PBX, and none from 10.20.1.99",
	} {
		f := freeSWITCH(t, registrations)
		err := pbxroute.New(esl(t, f)).Notify(t.Context(), notification("10.20.1.99"))
		sent, ok := errors.AsType[*pbxroute.NotSent](err)
		if !ok || sent.Refused || err.Error() != want || len(f.sent("sendevent")) != 0 {
			t.Errorf("%v", err)
		}
	}
}

func TestFreeSWITCHListsContacts(t *testing.T) {
	c := esl(t, freeSWITCH(t, twoPhones))
	c.User = "plugtone@pbx.example.com"
	list, err := pbxroute.New(c).Contacts(t.Context())
	if err != nil || len(list) != 2 || list[0].User != "1001" || list[0].Domain != "pbx.example.com" || list[0].Agent != "Yealink SIP-T46U 108.86.0.20" || list[1].Agent != "Snom?" {
		t.Fatalf("%+v, %v", list, err)
	}
}

func TestErrorsOfTheEventSocketNameWhatToConfigure(t *testing.T) {
	f := freeSWITCH(t, "")
	wrong, profile, gone, file := esl(t, f), esl(t, f), esl(t, f), esl(t, f)
	wrong.PasswordFile = passwordFile(t, "guess")
	profile.Profile = "outside"
	gone.Address = "127.0.0.1:1"
	file.PasswordFile = "/nowhere"
	rude := &fake{greeting: "Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"}
	rude.start(t)
	web := &fake{greeting: "SSH-2.0-OpenSSH_9.2\r\n\r\n"}
	web.start(t)
	for want, c := range map[string]pbxroute.Config{
		"login refused (-ERR invalid): look at password_file and user": wrong,
		`profile outside: FreeSWITCH answered "Invalid Profile!"`:      profile,
		"address: dial tcp 127.0.0.1:1: connect: connection refused":   gone,
		"password_file: open /nowhere":                                 file,
		"allow it in apply-inbound-acl of event_socket.conf.xml":       esl(t, rude),
		"read from the event socket: malformed":                        esl(t, web),
	} {
		err := pbxroute.New(c).Notify(t.Context(), notification(""))
		if _, ok := errors.AsType[*pbxroute.Unreachable](err); !ok || !strings.HasPrefix(err.Error(), "the PBX of the registrar main (esl "+c.Address+"): ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
		if strings.Contains(err.Error(), "ClueCon") || strings.Contains(err.Error(), "guess") {
			t.Errorf("the password is in %v", err)
		}
	}
}

// TestValuesOfARecordAreNoCommands: a record is written by operators who may not log in at the PBX.
func TestValuesOfARecordAreNoCommands(t *testing.T) {
	for _, user := range []string{"1001\nsendevent SHUTDOWN", "1001\n\napi fsctl shutdown", "1001' or '1'='1", "1001 x"} {
		n := notification("")
		n.User = user
		fs, ast := freeSWITCH(t, twoPhones), asterisk(t, true)
		for _, c := range []pbxroute.Config{esl(t, fs), ami(t, ast)} {
			if err := pbxroute.New(c).Notify(t.Context(), n); err == nil {
				t.Errorf("%s: %q was sent", c.Notify, user)
			}
		}
		if got := append(fs.sent("sendevent"), fs.sent("api fsctl")...); len(got) > 0 {
			t.Errorf("FreeSWITCH received %q", got)
		}
	}
}

func TestRefusedRegistrationsAreReported(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for c, want := range map[pbxroute.Config]string{
		esl(t, freeSWITCH(t, "")): "the PBX answered 403",
		ami(t, asterisk(t, true)): "the PBX refused it: wrong password",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var got []pbxroute.Refusal
		err := pbxroute.New(c).Watch(ctx, func() time.Time { return at }, func(r pbxroute.Refusal) { got = append(got, r); cancel() })
		if err != nil || len(got) != 1 || got[0].User != "1001" || got[0].Addr != netip.MustParseAddr("10.20.1.7") || got[0].Reason != want || got[0].Time != at {
			t.Errorf("%s: %+v, %v", c.Notify, got, err)
		}
	}
}
