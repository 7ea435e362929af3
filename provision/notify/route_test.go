package notify_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/notify"
	"plugtone/provision/packdoc"
)

// TestPhonesAreNotifiedThroughThePBX: the PBX reports that it took a NOTIFY, and nothing of the phone's answer.
func TestPhonesAreNotifiedThroughThePBX(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		m := macs(4)
		f.target = func(mac dhcp.MAC) (notify.Target, error) { // all without an address
			return notify.Target{MAC: mac, Route: "ami", Registrar: "main", User: "1001", Notify: packdoc.Notify{Event: "check-sync"}}, nil
		}
		f.fetches = func(mac dhcp.MAC) time.Duration {
			if mac == m[0] {
				return 3 * time.Second
			}
			return 0
		}
		f.reply = func(mac dhcp.MAC) (notify.Reply, error) {
			switch mac {
			case m[2]:
				return notify.Reply{Refused: true, Reason: "Asterisk refused PJSIPNotify: Permission denied"}, nil
			case m[3]:
				return notify.Reply{}, &notify.Skipped{Reason: "1001@pbx is not registered at the PBX"}
			}
			return notify.Reply{Relayed: true}, nil
		}
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", m, notify.Options{PerAddress: notify.Rate{Count: 1, Per: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		job = wait(t, jobs, job.ID)
		want := []string{"fetched: fetched after 3 s", "silent: the PBX took the NOTIFY, and there was no fetch within 1m30s",
			"rejected: Asterisk refused PJSIPNotify: Permission denied", "skipped: 1001@pbx is not registered at the PBX"}
		for i, p := range job.Phones {
			if got := string(p.Outcome) + ": " + p.Detail; got != want[i] {
				t.Errorf("phone %d: %s\nwant %s", i, got, want[i])
			}
		}
		var sent []dhcp.MAC
		for _, e := range f.entries {
			if e.Verdict == "sent" {
				sent = append(sent, e.MAC)
				if !strings.HasPrefix(e.Reason, "SIP NOTIFY, Event: check-sync, through the PBX of main (ami)") {
					t.Error(e.Reason)
				}
			}
		}
		slices.SortFunc(sent, func(a, b dhcp.MAC) int { return strings.Compare(a.String(), b.String()) })
		if !slices.Equal(sent, m[:2]) {
			t.Errorf("the timelines of %v have a NOTIFY", sent)
		}
	})
}

// TestCanaryThatIsNotRegisteredIsNone: the next phone is the canary.
func TestCanaryThatIsNotRegisteredIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		m := macs(3)
		f.reply = func(mac dhcp.MAC) (notify.Reply, error) {
			if mac == m[0] {
				return notify.Reply{}, &notify.Skipped{Reason: "not registered"}
			}
			return notify.Reply{Relayed: true}, nil
		}
		f.fetches = func(mac dhcp.MAC) time.Duration {
			if mac == m[0] {
				return 0
			}
			return time.Second
		}
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", m, notify.Options{Canary: 1})
		if err != nil {
			t.Fatal(err)
		}
		if job = wait(t, jobs, job.ID); job.State != notify.Done || job.Counts[notify.Fetched] != 2 || job.Counts[notify.SkippedOut] != 1 {
			t.Errorf("%s %s %v", job.State, job.Reason, job.Counts)
		}
	})
}

func TestNotificationThroughAPBXHasWhatThePackSays(t *testing.T) {
	to := notify.Target{Addr: netip.MustParseAddrPort("10.20.1.7:5062"), User: "1001", Domain: "pbx.example.com",
		Notify: packdoc.Notify{Event: "service-control", ContentType: "text/plain", Body: "action=restart\n", RebootBody: "action=reset\n"}}
	if n := notify.Through(to, true); n.Event != "service-control" || n.Body != "action=reset\n" || n.ContentType != "text/plain" || n.Addr.String() != "10.20.1.7" || !n.Reboot {
		t.Errorf("%+v", n)
	}
	if n := notify.Through(notify.Target{Notify: packdoc.Notify{Event: "check-sync", Plain: "reboot=false", ContentType: "text/plain"}}, false); n.Event != "check-sync;reboot=false" || n.ContentType != "" {
		t.Errorf("%+v", n)
	}
}

func TestPhoneThatTakesSIPFromItsRegistrarOnlyIsReportedAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		m := macs(2)
		direct := f.target
		f.target = func(mac dhcp.MAC) (notify.Target, error) {
			to, err := direct(mac)
			to.RegistrarOnly = true
			return to, err
		}
		f.fetches = func(dhcp.MAC) time.Duration { return 0 }
		f.reply = func(mac dhcp.MAC) (notify.Reply, error) {
			if mac == m[0] {
				return notify.Reply{Code: 403, Reason: "Forbidden"}, nil
			}
			return notify.Reply{}, nil
		}
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", m, notify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range wait(t, jobs, job.ID).Phones {
			if !strings.Contains(p.Detail, "; it takes SIP from its registrar only (sip_from_registrar_only): set registrars[].notify") || p.Outcome != []notify.Outcome{notify.Rejected, notify.Silent}[i] {
				t.Errorf("%s: %s", p.Outcome, p.Detail)
			}
		}
	})
}
