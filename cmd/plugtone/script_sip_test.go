package main

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// sipRegistrar stands in for the SIP registrar of a PBX.
type sipRegistrar struct {
	conn *net.UDPConn
	work string // the script's folder, with the file accounts
}

// registrar HOST ADDR is a SIP registrar on a host, which the script's phones register with: it reads its accounts, a line
// "NUMBER PASSWORD" each, from $WORK/accounts at each request, and writes who registered into $WORK/registrar.log. It implements what
// RFC 3261, 10.3 and 22.4, require of a registrar over UDP, and no more.
func (s *scriptEnv) registrar(ts *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: registrar HOST ADDR")
	}
	var conn *net.UDPConn
	err := s.hosts[args[0]].ns.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: netip.MustParseAddr(args[1]).AsSlice(), Port: 5060})
		return err
	})
	if err != nil {
		return err
	}
	ts.Defer(func() { conn.Close() })
	go (&sipRegistrar{conn: conn, work: s.work}).serve()
	return nil
}

func (r *sipRegistrar) serve() {
	buf := make([]byte, 8192)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed at the end of the script
		}
		reply, note := r.answer(string(buf[:n]))
		if note != "" {
			appendTo(filepath.Join(r.work, "registrar.log"), fmt.Sprintln(note, "from", from.Addr()))
		}
		if reply != "" {
			// The client repeats its request when the answer is lost.
			_, _ = r.conn.WriteToUDPAddrPort([]byte(reply), from)
		}
	}
}

var (
	sipHeader = regexp.MustCompile(`(?m)^(Via|From|To|Call-ID|CSeq|Contact|Expires|Authorization): (.*?)\r?$`)
	sipParam  = regexp.MustCompile(`(\w+)="?([^",]*)"?`)
	sipUser   = regexp.MustCompile(`<sip:([^@>]+)@`)
)

// answer challenges a REGISTER, or checks what it answers to the challenge; note is the line for the log.
func (r *sipRegistrar) answer(request string) (reply, note string) {
	if !strings.HasPrefix(request, "REGISTER ") {
		return "", ""
	}
	header := map[string]string{}
	for _, m := range sipHeader.FindAllStringSubmatch(request, -1) {
		header[m[1]] = m[2]
	}
	number := ""
	if m := sipUser.FindStringSubmatch(header["To"]); m != nil {
		number = m[1]
	}
	const nonce = "8a1f0c"
	status, more := "401 Unauthorized", `WWW-Authenticate: Digest realm="pbx", nonce="`+nonce+`", algorithm=MD5`+"\r\n"
	if sent := header["Authorization"]; sent != "" {
		p := map[string]string{}
		for _, m := range sipParam.FindAllStringSubmatch(sent, -1) {
			p[m[1]] = m[2]
		}
		sum := func(text string) string { h := md5.Sum([]byte(text)); return hex.EncodeToString(h[:]) }
		want := sum(sum(p["username"]+":pbx:"+r.password(number)) + ":" + nonce + ":" + sum("REGISTER:"+p["uri"]))
		if p["username"] == number && p["response"] == want {
			status, more, note = "200 OK", "Contact: "+header["Contact"]+";expires=3600\r\n", "registered "+number
		} else {
			status, more, note = "403 Forbidden", "", "refused "+number
		}
	}
	return "SIP/2.0 " + status + "\r\nVia: " + header["Via"] + "\r\nFrom: " + header["From"] + "\r\nTo: " + header["To"] + ";tag=r\r\nCall-ID: " + header["Call-ID"] +
		"\r\nCSeq: " + header["CSeq"] + "\r\n" + more + "Content-Length: 0\r\n\r\n", note
}

// password is the account's; a wrong one for a number without an account.
func (r *sipRegistrar) password(number string) string {
	b, err := os.ReadFile(filepath.Join(r.work, "accounts"))
	if err != nil {
		return "no accounts"
	}
	for line := range strings.Lines(string(b)) {
		if n, password, ok := strings.Cut(strings.TrimSpace(line), " "); ok && n == number {
			return password
		}
	}
	return "no such account"
}
