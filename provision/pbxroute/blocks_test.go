package pbxroute

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// endless repeats a text.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.text), nil }

// peer is a connection whose other end sends what r has.
func peer(t *testing.T, r io.Reader) *blocks {
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close(); there.Close() })
	go func() { _, _ = io.Copy(there, r) }() // until one end is closed
	return newBlocks(here)
}

func TestMessagesOfAPBXAreBounded(t *testing.T) {
	for name, try := range map[string]func() error{
		"a first line without an end": func() error { _, err := peer(t, endless{"Asterisk "}).line(); return err },
		"a header without an end":     func() error { _, err := peer(t, endless{"Event: "}).headers(); return err },
		"headers without an end":      func() error { _, err := peer(t, endless{"Event: x\r\n"}).headers(); return err },
		"an answer without an end": func() error {
			s := &amiConn{w: io.Discard, r: peer(t, endless{"Event: PeerStatus\r\nNote: " + strings.Repeat("x", 30_000) + "\r\n\r\n"})}
			s.r.in.limit = 1 << 20
			_, err := s.do("Ping")
			return err
		},
		"a body of an impossible length": func() error {
			s := &eslConn{io.Discard, peer(t, strings.NewReader("Content-Type: api/response\nContent-Length: 999999999\n\nx")), nil}
			_, err := s.do("api version")
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "it sends more than 65536 bytes") && !strings.Contains(err.Error(), "Content-Length") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEventsThatComeForDaysAreNotOneAnswer(t *testing.T) {
	b := peer(t, endless{"Event: PeerStatus\r\n\r\n"})
	for range 3 * maxHeaders / 20 {
		b.beginAnswer()
		if _, err := b.headers(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMessageThatStopsHalfwayIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		b := newBlocks(here)
		start := time.Now()
		go func() {
			time.Sleep(time.Hour) // between events there is no limit
			_, _ = there.Write([]byte("Event: Fail"))
		}()
		if _, err := b.headers(); !errors.Is(err, io.ErrClosedPipe) || time.Since(start) != time.Hour+callTime {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		there.Close()
	})
}
