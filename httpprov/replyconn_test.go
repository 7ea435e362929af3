package httpprov

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/provision"
)

// sized answers a name that is a number with a body of so many bytes.
func sized(r provision.Request) provision.Answer {
	n, err := strconv.Atoi(strings.TrimPrefix(r.Name, "/"))
	if err != nil {
		return internalError(err)
	}
	return provision.Answer{Outcome: provision.Served, Kind: "device", Name: r.Name, Body: []byte(strings.Repeat("0123456789", n/10+1)[:n]), Size: int64(n)}
}

// Files of all sizes arrive whole on one connection, those too that are about as long as net/http's buffer.
func TestFilesOfAllSizesArriveOnOneConnection(t *testing.T) {
	s := start(t, Config{}, &answers{F: sized})
	c, err := net.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	sizes := []int{0, 1, 2048, 8191, 8192, 8193, 100_000, 10_000, 3}
	for n := headSize - 400; n <= headSize+40; n++ {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		if _, err := io.WriteString(c, "GET /"+strconv.Itoa(n)+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		body, err := io.ReadAll(resp.Body)
		if want := sized(provision.Request{Name: strconv.Itoa(n)}).Body; err != nil || string(body) != string(want) {
			t.Errorf("%d of %d bytes, %v", len(body), n, err)
		}
		if got := <-s.reports; got.sent != int64(n) || got.err != nil {
			t.Errorf("%d of %d bytes are reported, %v", got.sent, n, got.err)
		}
	}
}

// tcpPair returns both ends of a connection.
func tcpPair(t testing.TB) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here.(*net.TCPConn), there.(*net.TCPConn)
}

// arrived returns how many bytes wait at a client, once there are as many as wanted. On loopback that is soon after the write.
func arrived(t *testing.T, c *net.TCPConn, want int) (n int) {
	t.Helper()
	raw, err := c.SyscallConn()
	must(t, err)
	for range 500 {
		must(t, raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }))
		must(t, err)
		if n >= want {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	return n
}

func TestHeadOfAnAnswerWaitsForItsBody(t *testing.T) {
	server, client := tcpPair(t)
	c := &replyConn{TCPConn: server}
	for _, w := range []struct {
		joins bool
		text  string
		there int
	}{{false, "alone", 5}, {true, "head", 5}, {false, "and body", 17}, {false, "alone", 22}} {
		if w.joins {
			c.joins = true
		}
		if n, err := c.Write([]byte(w.text)); n != len(w.text) || err != nil {
			t.Errorf("%s: %d, %v", w.text, n, err)
		}
		if n := arrived(t, client, w.there); n != w.there {
			t.Errorf("after %s %d bytes have arrived, want %d", w.text, n, w.there)
		}
	}
	got := make([]byte, 22)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "aloneheadand bodyalone" {
		t.Errorf("%q, %v", got, err)
	}
	c.joins = true
	if _, err := c.Write([]byte("head")); err != nil {
		t.Error(err)
	}
	server.Close()
	if n, err := c.Write([]byte("body")); n != 0 || err == nil {
		t.Errorf("%d bytes of a body were written to a closed connection, %v", n, err)
	}
}
