package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision"
	"plugtone/provision/provisiontest"
	"plugtone/provision/uploads"
)

var device = dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}

// uploadStore answers each upload with room for most bytes of the file.
func uploadStore(t *testing.T, most int64) (*answers, string) {
	return provisiontest.Uploads(t, device, most)
}

func stored(t *testing.T, dir string) string {
	return provisiontest.StoredFiles(t, dir, func(name string, body []byte) string { return fmt.Sprintf("%s=%d", name, len(body)) })
}

// wrq returns a write request for a name; strs are mode, then options.
func wrq(name string, strs ...string) []byte {
	return []byte("\x00\x02" + name + "\x00" + strings.Join(strs, "\x00") + "\x00")
}

// data sends a block and waits for its ACK.
func (p *phone) data(block uint16, body string) {
	p.t.Helper()
	p.send(p.peer, append(binary.BigEndian.AppendUint16([]byte{0, 3}, block), body...))
	if b := p.must(4); binary.BigEndian.Uint16(b[2:]) != block {
		p.t.Errorf("ACK %q for block %d", b, block)
	}
}

func TestUploadIsStored(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, 512, 513, 1024} {
		a, dir := uploadStore(t, 1024)
		s := start(t, Config{}, a)
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, wrq("a.log", "octet"))
		p.must(4)
		rest, block := strings.Repeat("x", size), uint16(1)
		for ; len(rest) >= 512; block++ {
			p.data(block, rest[:512])
			rest = rest[512:]
		}
		p.data(block, rest)
		// The last ACK means that the file is stored.
		if got := stored(t, dir); got != fmt.Sprintf("a.log=%d", size) {
			t.Errorf("%d bytes: stored %q", size, got)
		}
		if r := s.reported(t); r.err != nil || r.sent != int64(size) || r.req.Method != "PUT" || r.ans.Outcome != provision.Received || r.ans.Size != int64(size) {
			t.Errorf("%+v", r)
		}
	}
}

func TestUploadWithOptions(t *testing.T) {
	t.Parallel()
	a, dir := uploadStore(t, 5000)
	s := start(t, Config{}, a)
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, wrq("a.log", "octet", "BLKSIZE", "1428", "tsize", "1500", "timeout", "2"))
	if o := p.oack(); o["blksize"] != "1428" || o["timeout"] != "2" {
		t.Errorf("%v", o)
	}
	p.data(1, strings.Repeat("x", 1428))
	p.data(2, strings.Repeat("x", 72))
	if got := stored(t, dir); got != "a.log=1500" {
		t.Errorf("stored %q", got)
	}
	if r := s.reported(t); r.req.Size != 1500 {
		t.Errorf("announced %d", r.req.Size)
	}
	q := newPhone(t, "127.0.0.1")
	q.send(s.addr, wrq("b.log", "octet", "tsize", "5001"))
	q.refused(s, 3)
	if r := s.reported(t); !errors.Is(r.err, ErrNoUpload) {
		t.Errorf("%+v", r)
	}
}

// A file that grows beyond what it may have ends with an ERROR of that reason, and is not stored.
func TestUploadTooLarge(t *testing.T) {
	t.Parallel()
	a, dir := uploadStore(t, 600)
	s := start(t, Config{}, a)
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, wrq("a.log", "octet"))
	p.must(4)
	p.data(1, strings.Repeat("x", 512))
	p.send(p.peer, append([]byte{0, 3, 0, 2}, strings.Repeat("x", 512)...))
	if b := p.must(5); !strings.Contains(string(b), errTooLarge.text) {
		t.Errorf("%q", b)
	}
	if r := s.reported(t); r.ans.Outcome != provision.Rejected || !errors.Is(r.err, uploads.ErrTooLarge) {
		t.Errorf("%+v", r)
	}
	if got := stored(t, dir); got != "" {
		t.Errorf("stored %q", got)
	}
}

// A phone that loses its power, or gives up, in the middle leaves nothing behind.
func TestUploadThatEndsEarly(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{"silent": ErrTimeout, "gives up": ErrAborted} {
		a, dir := uploadStore(t, 5000)
		s := start(t, Config{Resend: 5 * time.Millisecond, Retries: 2}, a)
		p := newPhone(t, "127.0.0.1")
		p.send(s.addr, wrq("a.log", "octet"))
		p.must(4)
		p.send(p.peer, append([]byte{0, 3, 0, 1}, strings.Repeat("x", 512)...))
		if name != "silent" {
			p.fail(0, "no")
		}
		r := s.reported(t)
		if !errors.Is(r.err, want) && name == "silent" || r.ans.Outcome != provision.Rejected || r.err == nil {
			t.Errorf("%s: %+v", name, r)
		}
		if got := stored(t, dir); got != "" {
			t.Errorf("%s: stored %q", name, got)
		}
	}
}

// The last ACK is sent again when it was lost. Who uploads without a pause gets no further sockets for that.
func TestUploadsDallyInBoundedRoom(t *testing.T) {
	t.Parallel()
	a, dir := uploadStore(t, 5000)
	s := start(t, Config{MaxTransfers: 40, Resend: time.Minute}, a)
	p := newPhone(t, "127.0.0.1")
	for i := range 30 {
		p.send(s.addr, wrq("a.log", "octet"))
		p.must(4)
		p.data(1, fmt.Sprint("x", i))
		if i == 0 {
			p.data(1, "x0")
		}
		if r := s.reported(t); r.err != nil {
			t.Fatal(r.err)
		}
	}
	waitFor(t, func() bool { return s.dallying.Load() == 10 })
	if got := stored(t, dir); !strings.HasPrefix(got, "a.log=3 ") {
		t.Errorf("stored %q", got)
	}
	s.stop()
	waitFor(t, func() bool { return s.dallying.Load() == 0 })
}

func TestRepeatedUploadIsStoredOnce(t *testing.T) {
	t.Parallel()
	a, dir := uploadStore(t, 5000)
	s := start(t, Config{}, a)
	p := newPhone(t, "127.0.0.1")
	p.send(s.addr, wrq("a.log", "octet"))
	p.must(4)
	p.send(s.addr, wrq("a.log", "octet")) // its ACK was lost
	waitFor(t, func() bool { return s.Stats().Duplicates == 1 })
	p.send(p.peer, append([]byte{0, 3, 0, 1}, "x"...))
	p.must(4)
	s.reported(t)
	if got := stored(t, dir); got != "a.log=1" || len(a.All()) != 1 {
		t.Errorf("stored %q after %d requests", got, len(a.All()))
	}
}

func TestForeignClientsUpload(t *testing.T) {
	from := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(from, []byte(strings.Repeat("log\n", 2500)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		client, debian string
		args           func(port string) []string
	}{
		{"tftp", "tftp-hpa", func(port string) []string {
			return []string{"-m", "octet", "127.0.0.1", port, "-c", "put", from, "x.log"}
		}},
		{"tftp", "tftp-hpa", func(port string) []string {
			return []string{"-m", "netascii", "127.0.0.1", port, "-c", "put", from, "x.log"}
		}},
		{"atftp", "atftp", func(port string) []string {
			return []string{"-p", "-l", from, "-r", "x.log", "--option", "blksize 1428", "--option", "tsize 0", "127.0.0.1", port}
		}},
		{"atftp", "atftp", func(port string) []string {
			return []string{"-p", "-l", from, "-r", "x.log", "--option", "blksize 512", "--option", "windowsize 4", "--option", "timeout 2", "127.0.0.1", port}
		}},
	} {
		netlab.RequirePrograms(t, c.client+"="+c.debian)
		a, dir := uploadStore(t, 1<<20)
		s := start(t, Config{}, a)
		output, err := exec.CommandContext(t.Context(), c.client, c.args(fmt.Sprint(s.addr.Port()))...).CombinedOutput()
		if got := stored(t, dir); err != nil || got != "x.log=10000" {
			t.Errorf("%s: %v %q, stored %q", c.client, err, output, got)
		}
		if r := s.reported(t); r.err != nil || r.ans.Outcome != provision.Received {
			t.Errorf("%s: %+v", c.client, r)
		}
	}
}
