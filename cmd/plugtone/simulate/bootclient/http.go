package bootclient

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// HTTP is a phone's HTTP/1.1 client, for answers that have a length.
type HTTP struct {
	From, Server netip.Addr
	Port         int           // 0: 80
	Keep         bool          // one connection for all requests
	Timeout      time.Duration // of a request; 0: none
	Buffer       int           // bytes that are read at once; 0: 4096

	conn net.Conn
	r    *bufio.Reader
}

// Do makes one request and reads the whole answer. body may be empty; the answer's goes to w, or is dropped if that is nil.
func (c *HTTP) Do(method, file, body string, w io.Writer) (status int, size int64, err error) {
	status, size, err = c.do(method, file, body, w)
	if err != nil || !c.Keep {
		c.Close()
	}
	return status, size, err
}

// Get fetches a file, whose answer must be 200, and returns its size. The file goes to w, or is dropped if that is nil.
func (c *HTTP) Get(file string, w io.Writer) (int64, error) {
	status, size, err := c.Do("GET", file, "", w)
	if err == nil && status != 200 {
		err = fmt.Errorf("HTTP status %d", status)
	}
	return size, err
}

func (c *HTTP) do(method, file, body string, w io.Writer) (int, int64, error) {
	if c.conn == nil {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.From, 0)), Timeout: c.Timeout}
		conn, err := d.Dial("tcp4", netip.AddrPortFrom(c.Server, uint16(cmp.Or(c.Port, 80))).String())
		if err != nil {
			return 0, 0, err
		}
		if c.r == nil {
			c.r = bufio.NewReaderSize(nil, cmp.Or(c.Buffer, 4096))
		}
		c.conn = conn
		c.r.Reset(conn)
	}
	if c.Timeout > 0 {
		if err := c.conn.SetDeadline(time.Now().Add(c.Timeout)); err != nil {
			return 0, 0, err
		}
	}
	head := method + " /" + file + " HTTP/1.1\r\nHost: " + c.Server.String() + "\r\n"
	if body != "" {
		head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if !c.Keep {
		head += "Connection: close\r\n"
	}
	if _, err := io.WriteString(c.conn, head+"\r\n"+body); err != nil {
		return 0, 0, err
	}
	return c.response(w)
}

func (c *HTTP) response(w io.Writer) (status int, size int64, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if len(line) < 12 {
		return 0, 0, fmt.Errorf("answer %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("answer %q", line)
	}
	length := -1
	for {
		h, err := c.r.ReadSlice('\n')
		if err != nil {
			return status, 0, err
		}
		if len(h) <= 2 {
			break
		}
		if name, value, ok := strings.Cut(string(h), ":"); ok && strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return status, 0, err
			}
		}
	}
	switch {
	case length < 0 && status == 204:
		return status, 0, nil
	case length < 0:
		return status, 0, errors.New("answer without a length")
	case w == nil:
		n, err := c.r.Discard(length)
		return status, int64(n), err
	}
	size, err = io.CopyN(w, c.r, int64(length))
	return status, size, err
}

// Close closes the connection, if there is one. The next request opens another.
func (c *HTTP) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}
