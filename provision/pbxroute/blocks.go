package pbxroute

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"time"
)

// maxHeaders bounds the headers of one message, in bytes: real ones have up to 2 KiB.
const maxHeaders = 64 << 10

// blocks reads messages that begin with lines of headers. The other end may be no PBX, or one that was taken over: the bytes of a message and of an answer are
// bounded, and so is the time from the first byte of a message to its last.
type blocks struct {
	conn io.Closer
	in   *allowance
	r    *textproto.Reader
}

// allowance ends a stream when its bytes are used up.
type allowance struct {
	r       io.Reader
	message int // bytes that the message may still have
	answer  int // the same for all messages of an answer
	limit   int // of an answer
}

// Read implements io.Reader.
func (a *allowance) Read(p []byte) (int, error) {
	left := min(a.message, a.answer)
	if left <= 0 {
		return 0, fmt.Errorf("it sends more than %d bytes in one header block, or %d in one answer", maxHeaders, a.limit)
	}
	n, err := a.r.Read(p[:min(len(p), left)])
	a.message -= n
	a.answer -= n
	return n, err
}

func newBlocks(conn net.Conn) *blocks {
	in := &allowance{conn, maxHeaders, maxAnswer, maxAnswer}
	return &blocks{conn, in, textproto.NewReader(bufio.NewReader(in))}
}

// beginAnswer allows the bytes of an answer, or of an event that comes without request.
func (b *blocks) beginAnswer() { b.in.answer = b.in.limit }

// line reads one line: the first of a connection.
func (b *blocks) line() (string, error) { return b.r.ReadLine() }

// headers waits for the next message, and reads its headers.
func (b *blocks) headers() (textproto.MIMEHeader, error) {
	b.in.message = maxHeaders
	if _, err := b.r.R.Peek(1); err != nil {
		return nil, err
	}
	defer time.AfterFunc(callTime, func() { b.conn.Close() }).Stop()
	return b.r.ReadMIMEHeader()
}

// body reads the n bytes after the headers.
func (b *blocks) body(n int) (string, error) {
	b.in.message = n
	defer time.AfterFunc(3*callTime, func() { b.conn.Close() }).Stop()
	var body bytes.Buffer // n is what the other end states: memory grows with what comes
	_, err := io.CopyN(&body, b.r.R, int64(n))
	return body.String(), err
}
