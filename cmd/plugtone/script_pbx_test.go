package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// eventSocket stands in for FreeSWITCH's event socket.
type eventSocket struct {
	work string // the script's folder, with the files registrations and refusals
}

// eventsocket HOST ADDR is FreeSWITCH's event socket on a host, as its manual describes it: the password is ClueCon, the registrations of the profile internal are the file
// $WORK/registrations, and what clients send is written to $WORK/eventsocket.log. Lines of $WORK/refusals are sent as events sofia::register_failure to those that
// subscribe: USER DOMAIN ADDR.
func (s *scriptEnv) eventsocket(ts *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: eventsocket HOST ADDR")
	}
	var l *net.TCPListener
	err := s.hosts[args[0]].ns.Do(func() (err error) {
		l, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: netip.MustParseAddr(args[1]).AsSlice(), Port: 8021})
		return err
	})
	if err != nil {
		return err
	}
	ts.Defer(func() { l.Close() })
	e := &eventSocket{work: s.work}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed at the end of the script
			}
			go e.serve(conn)
		}
	}()
	return nil
}

func (e *eventSocket) serve(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "Content-Type: auth/request\n\n")
	var block []string
	for in := bufio.NewScanner(conn); in.Scan(); {
		if in.Text() != "" {
			block = append(block, in.Text())
			continue
		}
		if len(block) == 0 {
			continue
		}
		appendTo(filepath.Join(e.work, "eventsocket.log"), strings.Join(block, "\n")+"\n")
		switch command := block[0]; {
		case command == "auth ClueCon", command == "sendevent NOTIFY":
			fmt.Fprint(conn, "Content-Type: command/reply\nReply-Text: +OK\n\n")
		case strings.HasPrefix(command, "api sofia xmlstatus profile internal"):
			rows, _ := os.ReadFile(filepath.Join(e.work, "registrations"))
			body := "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<profile>\n<registrations>\n" + string(rows) + "</registrations>\n</profile>\n"
			fmt.Fprintf(conn, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
		case command == "api version":
			fmt.Fprint(conn, "Content-Type: api/response\nContent-Length: 27\n\nFreeSWITCH Version 1.10.11\n")
		case command == "event plain CUSTOM sofia::register_failure":
			fmt.Fprint(conn, "Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n")
			e.sendRefusals(conn)
			return
		default:
			fmt.Fprint(conn, "Content-Type: command/reply\nReply-Text: -ERR invalid\n\n")
		}
		block = nil
	}
}

// sendRefusals sends each line of the file once, until the connection ends.
func (e *eventSocket) sendRefusals(conn net.Conn) {
	sent := 0
	for range 3000 {
		text, _ := os.ReadFile(filepath.Join(e.work, "refusals"))
		rows := strings.Split(strings.TrimSpace(string(text)), "\n")
		for _, row := range rows[min(sent, len(rows)):] {
			var user, domain, addr string
			if _, err := fmt.Sscan(row, &user, &domain, &addr); err != nil {
				break
			}
			sent++
			event := fmt.Sprintf("Event-Subclass: sofia%%3A%%3Aregister_failure\nEvent-Name: CUSTOM\nto-user: %s\nto-host: %s\nnetwork-ip: %s\nregistration-type: REGISTER\n\n", user, domain, addr)
			if _, err := fmt.Fprintf(conn, "Content-Length: %d\nContent-Type: text/event-plain\n\n%s", len(event), event); err != nil {
				return
			}
		}
		time.Sleep(100 * time.Millisecond) // a file has nothing to wait on
	}
}

func appendTo(path, text string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprint(f, text)
}
