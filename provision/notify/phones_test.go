package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
	"plugtone/provision/notify"
	"plugtone/provision/packdoc"
	"plugtone/provision/setting"
)

// A phone is a scenario for sipp: what it receives and what it sends.
var (
	receive = `<recv request="NOTIFY"><action>
<ereg regexp="check-sync;reboot=false" search_in="hdr" header="Event:" check_it="true" assign_to="e"/>
<ereg regexp="terminated" search_in="hdr" header="Subscription-State:" check_it="true" assign_to="s"/>
</action></recv>
<Reference variables="e,s"/>`
	challenge = `<send><![CDATA[
SIP/2.0 401 Unauthorized
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
WWW-Authenticate: Digest realm="phone", nonce="c60f3082ee1212b402a21831ae", algorithm=MD5, qop="auth"
Content-Length: 0

]]></send>`
	ok     = answer(200, "OK")
	verify = `<recv request="NOTIFY"><action><verifyauth assign_to="ok" username="1001" password="s3cret"/></action></recv>
<nop test="ok" next="yes"/>
<nop next="no"/>
<label id="yes"/>` + ok + `<nop next="end"/>
<label id="no"/>` + challenge + `
<label id="end"/>`
)

func answer(code int, reason string) string {
	return fmt.Sprintf(`<send><![CDATA[
SIP/2.0 %d %s
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>`, code, reason)
}

// sender is made once: it sets the logger of package sip.
var sender = notify.NewSender("1.0")

// sipp starts a phone and returns where it listens. The test ends it.
func sipp(t *testing.T, transport, scenario string) netip.AddrPort {
	t.Helper()
	netlab.RequirePrograms(t, "sipp=sip-tester")
	dir := t.TempDir()
	file := filepath.Join(dir, "phone.xml")
	scenario = strings.ReplaceAll(scenario, "\n]]>", "\r\n]]>")
	if err := os.WriteFile(file, []byte("<?xml version=\"1.0\"?>\n<scenario name=\"phone\">\n"+scenario+"\n</scenario>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freePort(t, transport)
	args := []string{"-sf", file, "-i", "127.0.0.1", "-p", fmt.Sprint(addr.Port()), "-m", "1", "-timeout", "60s", "-nostdin", "-trace_err", "-error_file", filepath.Join(dir, "errors")}
	if transport == "tcp" {
		args = append(args, "-t", "t1")
	}
	cmd := exec.Command("sipp", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			errors, _ := os.ReadFile(filepath.Join(dir, "errors"))
			t.Logf("sipp: %s\n%s", errors, out.String()[max(0, out.Len()-800):])
		}
	})
	listening(t, transport, addr)
	return addr
}

// freePort returns a loopback address on which nothing listens.
func freePort(t *testing.T, transport string) netip.AddrPort {
	t.Helper()
	if transport == "udp" {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return netip.MustParseAddrPort(c.LocalAddr().String())
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// listening waits until the socket of a phone is bound.
func listening(t *testing.T, transport string, addr netip.AddrPort) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		table := "/proc/net/udp"
		if transport != "udp" {
			table = "/proc/net/tcp"
		}
		b, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, fmt.Appendf(nil, "0100007F:%04X", addr.Port())) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("sipp does not listen on %s", addr)
		}
		time.Sleep(20 * time.Millisecond) // another program's socket: nothing to wait on
	}
}

// certificate returns one that only its owner has signed, as phones have.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Debian's sipp has no TLS, so the phone is a listener that copies the headers that RFC 3261, 8.2.6.2 names.
func TestPhoneOverTLSIsNotified(t *testing.T) {
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		reply := "SIP/2.0 200 OK\r\n"
		for in := bufio.NewScanner(c); in.Scan() && in.Text() != ""; {
			switch name, _, _ := strings.Cut(in.Text(), ":"); name {
			case "Via", "From", "To", "Call-ID", "CSeq":
				reply += in.Text() + "\r\n"
			}
		}
		_, _ = c.Write([]byte(reply + "Content-Length: 0\r\n\r\n"))
		_, _ = c.Read(make([]byte, 1)) // until the other side closes
	}()
	to := notify.Target{Addr: netip.MustParseAddrPort(l.Addr().String()), Transport: "tls", User: "1001", Notify: packdoc.Notify{Event: "check-sync"}}
	if got, err := sender.Notify(context.Background(), to, false); err != nil || got.Code != 200 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPhonesAnswerANotify(t *testing.T) {
	for _, x := range []struct {
		name, transport, phone, password string
		want                             notify.Reply
	}{
		{"200 over udp", "udp", receive + ok, "", notify.Reply{Code: 200, Reason: "OK"}},
		{"200 over tcp", "tcp", receive + ok, "", notify.Reply{Code: 200, Reason: "OK"}},
		{"401, then the line's password", "udp", receive + challenge + verify, "s3cret", notify.Reply{Code: 200, Reason: "OK"}},
		{"401, then a wrong password", "udp", receive + challenge + verify, "wrong", notify.Reply{Code: 401, Reason: "Unauthorized", Challenged: true}},
		{"401 without a password", "udp", receive + challenge, "", notify.Reply{Code: 401, Reason: "Unauthorized", Challenged: true}},
		{"refused with 403", "udp", receive + answer(403, "Forbidden"), "", notify.Reply{Code: 403, Reason: "Forbidden"}},
		{"answered 480", "udp", receive + answer(480, "Temporarily Unavailable"), "", notify.Reply{Code: 480, Reason: "Temporarily Unavailable"}},
		{"200 late, after retransmissions", "udp", receive + `<pause milliseconds="2000"/>` + ok, "", notify.Reply{Code: 200, Reason: "OK"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			to := notify.Target{Addr: sipp(t, x.transport, x.phone), Transport: x.transport, User: "1001", AuthUser: "1001", Password: setting.Secret(x.password),
				Notify: packdoc.Notify{Event: "check-sync", Plain: "reboot=false", Reboot: "reboot=true"}}
			got, err := sender.Notify(context.Background(), to, false)
			if err != nil || got != x.want {
				t.Errorf("%+v, %v; want %+v", got, err, x.want)
			}
		})
	}
}

func TestPhoneThatRefusesTheConnectionIsAnError(t *testing.T) {
	to := notify.Target{Addr: freePort(t, "tcp"), Transport: "tcp", Notify: packdoc.Notify{Event: "check-sync"}}
	if got, err := sender.Notify(context.Background(), to, false); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSilentPhoneGivesNoReplyAndNoError(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	to := notify.Target{Addr: netip.MustParseAddrPort(c.LocalAddr().String()), Transport: "udp", Notify: packdoc.Notify{Event: "check-sync"}}
	if got, err := sender.Notify(ctx, to, false); err != nil || got.Code != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRequestHasWhatThePackSays(t *testing.T) {
	local := netip.MustParseAddr("10.20.0.2")
	to := notify.Target{Addr: netip.MustParseAddrPort("10.20.1.7:5062"), Transport: "tcp", User: "1001", Notify: packdoc.Notify{Event: "resync", RebootEvent: "check-sync",
		Reboot: "reboot=true", ContentType: "text/plain", Body: "a\n", RebootBody: "b\n"}}
	for reboot, want := range map[bool][]string{
		false: {"NOTIFY sip:1001@10.20.1.7:5062;transport=tcp SIP/2.0", "Event: resync\r", "\r\n\r\na\r\n", "Content-Type: text/plain"},
		true:  {"Event: check-sync;reboot=true\r", "\r\n\r\nb\r\n"},
	} {
		text := notify.Request(to, reboot, local, "1.0").String()
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("reboot %t: no %q in\n%s", reboot, part, text)
			}
		}
	}
}
