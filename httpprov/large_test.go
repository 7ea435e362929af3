package httpprov

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"plugtone/provision"
)

// sparse answers with a file of size bytes that takes no room on the disk.
func sparse(t *testing.T, size int64) *answers {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fw.rom")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return &answers{F: func(provision.Request) provision.Answer {
		f, err := os.Open(path)
		if err != nil {
			return internalError(err)
		}
		return provision.Answer{Outcome: provision.Served, Kind: "firmware", Content: f, Size: size, ETag: `"fw"`}
	}}
}

// A file of 2 GB is served without being held in memory, and its last byte can be requested alone.
func TestLargeFileTakesNoMemory(t *testing.T) {
	const size = 2 << 30
	s := start(t, Config{}, sparse(t, size))
	c, err := net.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /fw.rom HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	buf := make([]byte, 256<<10)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, buf)
	if err != nil || n < size {
		t.Errorf("%d bytes, %v", n, err)
	}
	if r := <-s.reports; r.sent != size || r.err != nil {
		t.Errorf("sent %d, %v", r.sent, r.err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
		t.Errorf("%d bytes of memory were allocated on the way", took)
	}
	if resp, body := get(t, s.addr, "/fw.rom", "Range: bytes=-1"); resp.StatusCode != 206 || body != "\x00" {
		t.Errorf("%+v %q", resp, body)
	}
}

// handed is a connection that notes whether files are handed to it whole, which is where package net uses sendfile(2).
type handed struct {
	net.Conn
	files *atomic.Int64
}

func (h handed) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			h.files.Add(1)
		}
	}
	return h.Conn.(*net.TCPConn).ReadFrom(r)
}

type handing struct {
	net.Listener
	files *atomic.Int64
}

func (h handing) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	return handed{c, h.files}, err
}

func TestFilesGoFromDiskToSocketWithinTheKernel(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var files atomic.Int64
	s := start(t, Config{Listeners: []net.Listener{handing{l, &files}}}, sparse(t, 3*chunkSize))
	resp, body := get(t, l.Addr().String(), "/fw.rom")
	if resp.StatusCode != 200 || len(body) != 3*chunkSize || files.Load() != 3 {
		t.Errorf("status %d, %d bytes, of which %d chunks were handed over as a file", resp.StatusCode, len(body), files.Load())
	}
	<-s.reports
}
