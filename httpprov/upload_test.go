package httpprov

import (
	"errors"
	"fmt"
	"io"
	"net"
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
)

var phone = dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}

// uploadStore answers each upload with room for most bytes of the file.
func uploadStore(t *testing.T, most int64) (*answers, string) {
	return provisiontest.Uploads(t, phone, most)
}

func stored(t *testing.T, dir string) string {
	return provisiontest.StoredFiles(t, dir, func(name string, body []byte) string { return fmt.Sprintf("%s=%.20s", name, body) })
}

func TestUploadIsStored(t *testing.T) {
	for name, tt := range map[string]struct {
		request string
		status  int
		want    string // in the store
		outcome provision.Outcome
	}{
		"put":             {"PUT /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200, "a.log=hello", provision.Received},
		"post":            {"POST /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200, "a.log=hello", provision.Received},
		"HTTP/1.0":        {"PUT /a.log HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", 200, "a.log=hello", provision.Received},
		"chunked":         {"PUT /a.log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, "a.log=hello", provision.Received},
		"empty":           {"PUT /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200, "a.log=", provision.Received},
		"to the limit":    {"PUT /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n12345678", 200, "a.log=12345678", provision.Received},
		"beyond":          {"PUT /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789", 413, "", provision.Rejected},
		"beyond, chunked": {"PUT /a.log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n", 413, "", provision.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			a, dir := uploadStore(t, 8)
			s := start(t, Config{}, a)
			resp, body := raw(t, s.addr, "PUT", tt.request)
			if resp.StatusCode != tt.status || resp.ContentLength != int64(len(body)) {
				t.Errorf("%+v %q", resp, body)
			}
			if r := <-s.reports; r.ans.Outcome != tt.outcome || (r.err == nil) != (tt.status == 200) || tt.status == 200 && r.sent != r.ans.Size {
				t.Errorf("%+v", r)
			}
			if got := stored(t, dir); got != tt.want {
				t.Errorf("stored %q", got)
			}
		})
	}
}

// An upload that is cut off by a power loss leaves no file.
func TestUploadThatEndsEarlyLeavesNoFile(t *testing.T) {
	a, dir := uploadStore(t, 100)
	s := start(t, Config{}, a)
	c, err := net.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(c, "PUT /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf")
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	if r := <-s.reports; r.ans.Outcome != provision.Rejected || r.err == nil {
		t.Errorf("%+v", r)
	}
	if got := stored(t, dir); got != "" {
		t.Errorf("stored %q", got)
	}
}

func TestSlowUploadEnds(t *testing.T) {
	a, dir := uploadStore(t, 100)
	s := start(t, Config{WriteTime: 50 * time.Millisecond}, a)
	c, err := net.Dial("tcp4", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "PUT /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if r := <-s.reports; r.ans.Outcome != provision.Rejected || !errors.Is(r.err, os.ErrDeadlineExceeded) {
		t.Errorf("%+v", r)
	}
	if got := stored(t, dir); got != "" {
		t.Errorf("stored %q", got)
	}
}

// An upload may take longer than an answer, and is still answered.
func TestLongUploadIsAnswered(t *testing.T) {
	const limit = 100 * time.Millisecond
	a, _ := uploadStore(t, 8<<20)
	s := start(t, Config{WriteTime: limit}, a)
	c := dial(t, s, "127.0.0.1")
	body := make([]byte, 8<<20)
	begin := time.Now()
	fmt.Fprintf(c, "PUT /a.log HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := c.Write(body[1:]); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return time.Since(begin) > 2*limit })
	if _, err := c.Write(body[:1]); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(io.LimitReader(c, 15)); string(b) != "HTTP/1.1 200 OK" {
		t.Errorf("%q %v", b, err)
	}
	if r := <-s.reports; r.err != nil || r.ans.Outcome != provision.Received {
		t.Errorf("%+v", r)
	}
}

func TestUploadsThatAreNotAcceptedGetTheirStatus(t *testing.T) {
	for _, tt := range []struct {
		a      provision.Answer
		status int
	}{
		{provision.Answer{Outcome: provision.Refused, Status: 404}, 404},
		{provision.Answer{Outcome: provision.Refused, Status: 401, Challenge: "Digest x"}, 401},
		{provision.Answer{Outcome: provision.NotFound, Status: 405}, 405},
		{provision.Answer{Outcome: provision.Rejected, Status: 413}, 413},
		{provision.Answer{Outcome: provision.Received}, 503}, // without a place for it
		{internalError(errors.New("disk")), 503},
	} {
		s := start(t, Config{}, &answers{F: func(provision.Request) provision.Answer { return tt.a }})
		resp, _ := request(t, s.addr, "PUT", "/a.log", "Content-Length: 99999999")
		if resp.StatusCode != tt.status || !resp.Close || (resp.Header.Get("Retry-After") != "") != (tt.status == 503) {
			t.Errorf("%s: %+v", tt.a.Outcome, resp)
		}
	}
}

func TestCurlUploadsAreStored(t *testing.T) {
	netlab.RequirePrograms(t, "curl")
	a, dir := uploadStore(t, 1<<20)
	s := start(t, Config{}, a)
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte(strings.Repeat("log\n", 9000)), 0o600); err != nil { // curl expects 100 Continue from some size on
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-T", file}, {"--data-binary", "@" + file}, {"-0", "-T", file}, {"-H", "Transfer-Encoding: chunked", "-T", file}, {"-H", "Expect: 100-continue", "-T", file}} {
		out, err := exec.CommandContext(t.Context(), "curl", append(args, "-sS", "-w", "%{http_code}", "http://"+s.addr+"/a.log")...).CombinedOutput()
		if err != nil || string(out) != "200" {
			t.Errorf("curl %v: %v %s", args, err, out)
		}
		if b, _ := os.ReadFile(filepath.Join(dir, "a.log")); len(b) != 36000 {
			t.Errorf("curl %v: stored %d bytes", args, len(b))
		}
	}
}
