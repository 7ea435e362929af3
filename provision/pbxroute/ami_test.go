package pbxroute_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"plugtone/provision/pbxroute"
)

// asterisk is a manager interface as Asterisk's documentation describes its actions: Login, PJSIPNotify, SIPnotify, PJSIPShowContacts, SIPpeers, and the
// security events. Without pjsip it is one with chan_sip alone.
func asterisk(t *testing.T, pjsip bool) *fake {
	f := &fake{greeting: "Asterisk Call Manager/9.0.0\r\n"}
	block := func(rows ...string) string { return strings.Join(rows, "\r\n") + "\r\n\r\n" }
	failed := func(message string) string { return block("Response: Error", "Message: "+message) }
	f.answer = func(text string) string {
		action := strings.TrimPrefix(lines(text)[0], "Action: ")
		switch {
		case action == "Login" && has(text, "Username: plugtone", "Secret: s3cret"):
			ok := block("Response: Success", "Message: Authentication accepted") + block("Event: FullyBooted", "Privilege: system,all", "Status: Fully Booted")
			if has(text, "Events: security") {
				ok += block("Event: ChallengeSent", "Service: PJSIP", "AccountID: 1001", "RemoteAddress: IPV4/UDP/10.20.1.7/5060") +
					block("Event: ChallengeResponseFailed", "Privilege: security,all", "Severity: Error", "Service: PJSIP", "AccountID: 1001",
						"LocalAddress: IPV4/UDP/10.20.0.9/5060", "RemoteAddress: IPV4/UDP/10.20.1.7/5060")
			}
			return ok
		case action == "Login":
			return failed("Authentication failed")
		case action == "PJSIPShowContacts" && pjsip:
			return block("Response: Success", "EventList: start", "Message: A listing of Contacts follows, presented as ContactList events") +
				block("Event: ContactList", "ObjectType: contact", "ObjectName: 1001;@a88df67525", "ViaAddr: 10.20.1.7", "ViaPort: 5060", "CallID: x", "Endpoint: 1001",
					"Uri: sip:1001@10.20.1.7:5060", "UserAgent: Yealink SIP-T46U 108.86.0.20", "Status: Reachable", "RoundtripUsec: 3706") +
				block("Event: PeerStatus", "PeerStatus: Registered") +
				block("Event: ContactList", "ObjectType: contact", "ObjectName: 1002;@ef56ab78", "Uri: sip:1002@198.51.100.4:5062;transport=tcp", "ViaAddr: 192.168.1.9", "Status: Unreachable") +
				block("Event: ContactListComplete", "EventList: Complete", "ListItems: 2")
		case action == "PJSIPNotify" && pjsip && has(text, "Endpoint: 1001"):
			return block("Response: Success", "Message: NOTIFY sent")
		case action == "PJSIPNotify" && pjsip:
			return failed("Unable to retrieve endpoint 9")
		case action == "SIPpeers" && !pjsip:
			return block("Response: Success", "EventList: start", "Message: Peer status list will follow") +
				block("Event: PeerEntry", "Channeltype: SIP", "ObjectName: 1001", "ChanObjectType: peer", "IPaddress: 10.20.1.7", "IPport: 5060", "Dynamic: yes", "Status: OK (5 ms)") +
				block("Event: PeerEntry", "Channeltype: SIP", "ObjectName: 1002", "ChanObjectType: peer", "IPaddress: -none-", "IPport: 0", "Dynamic: yes", "Status: UNKNOWN") +
				block("Event: PeerlistComplete", "EventList: Complete", "ListItems: 2")
		case action == "SIPnotify" && !pjsip && has(text, "Channel: 1001"):
			return block("Response: Success", "Message: Notify Sent")
		}
		return failed("Invalid/unknown command: " + action + ". Use Action: ListCommands to show available commands.")
	}
	f.start(t)
	return f
}

func ami(t *testing.T, f *fake) pbxroute.Config {
	c := pbxroute.Config{Registrar: "main", Notify: pbxroute.AMI, Address: f.addr, User: "plugtone", PasswordFile: passwordFile(t, "s3cret")}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAsteriskNotifiesAnEndpoint(t *testing.T) {
	f := asterisk(t, true)
	n := notification("10.20.1.7")
	n.ContentType, n.Body = "text/plain", "action=restart\na,b\n"
	if err := pbxroute.New(ami(t, f)).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	got := f.sent("Action: PJSIPNotify")
	if len(got) != 1 || !has(got[0], "Endpoint: 1001", "Variable: Event=check-sync;reboot=false", "Variable: Content-Type=text/plain", "Variable: Content=action=restart", `Variable: Content=a\,b`) {
		t.Errorf("%q", got)
	}
	if len(f.sent("Action: SIPnotify")) > 0 {
		t.Error("it was sent twice")
	}
}

func TestAsteriskWithChanSIPNotifiesAPeer(t *testing.T) {
	f := asterisk(t, false)
	if err := pbxroute.New(ami(t, f)).Notify(t.Context(), notification("10.20.1.7")); err != nil {
		t.Fatal(err)
	}
	if got := f.sent("Action: SIPnotify"); len(got) != 1 || !has(got[0], "Channel: 1001", "Variable: Event=check-sync;reboot=false") {
		t.Errorf("%q", got)
	}
	list, err := pbxroute.New(ami(t, f)).Contacts(t.Context())
	if err != nil || len(list) != 1 || list[0].User != "1001" || !list[0].At(netip.MustParseAddr("10.20.1.7")) {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAsteriskListsContacts(t *testing.T) {
	list, err := pbxroute.New(ami(t, asterisk(t, true))).Contacts(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if c := list[0]; c.User != "1001" || c.Agent != "Yealink SIP-T46U 108.86.0.20" || c.Unreachable {
		t.Errorf("%+v", c)
	}
	if c := list[1]; c.User != "1002" || !c.Unreachable || !c.At(netip.MustParseAddr("198.51.100.4")) || !c.At(netip.MustParseAddr("192.168.1.9")) {
		t.Errorf("%+v", c)
	}
}

func TestErrorsOfAsteriskNameWhatToConfigure(t *testing.T) {
	wrong := ami(t, asterisk(t, true))
	wrong.PasswordFile = passwordFile(t, "guess")
	if err := pbxroute.New(wrong).Notify(t.Context(), notification("")); err == nil || !strings.Contains(err.Error(), "login refused (Authentication failed): look at user and password_file") {
		t.Error(err)
	}
	notAllowed := &fake{greeting: "Asterisk Call Manager/9.0.0\r\n"}
	notAllowed.answer = func(block string) string {
		if strings.HasPrefix(block, "Action: Login") {
			return "Response: Success\r\n\r\n"
		}
		return "Response: Error\r\nMessage: Permission denied\r\n\r\n"
	}
	notAllowed.start(t)
	c := ami(t, notAllowed)
	if _, err := pbxroute.New(c).Contacts(t.Context()); err == nil || !strings.Contains(err.Error(), "the user needs write = system in manager.conf") {
		t.Error(err)
	}
	err := pbxroute.New(c).Notify(t.Context(), notification(""))
	if sent, ok := errors.AsType[*pbxroute.NotSent](err); !ok || !sent.Refused || err.Error() != "Asterisk refused PJSIPNotify: Permission denied; and SIPnotify: Permission denied" {
		t.Error(err)
	}
	n := notification("")
	n.User = "9"
	if err := pbxroute.New(ami(t, asterisk(t, true))).Notify(t.Context(), n); err == nil || err.Error() != "9@pbx.example.com is not registered at the PBX" {
		t.Error(err)
	}
}
