package provisiontest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/uploads"
)

// Uploads answers each upload of the phone mac with room for most bytes of the file. Stored files are in dir.
func Uploads(t testing.TB, mac dhcp.MAC, most int64) (a *Answers, dir string) {
	t.Helper()
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	s := uploads.NewStore(root, nil)
	return &Answers{F: func(r provision.Request) provision.Answer {
		if r.Transport == fleet.TFTP && r.Size > most {
			return provision.Answer{Outcome: provision.Rejected}
		}
		u, err := s.Begin(mac, strings.TrimLeft(r.Name, "/"), most)
		if err != nil {
			return provision.Answer{Outcome: provision.InternalError, Reason: err.Error(), Status: 503, Err: err}
		}
		return provision.Answer{Outcome: provision.Received, Kind: "upload", Upload: u, Reason: "it may"}
	}}, filepath.Join(dir, mac.Hex())
}

// StoredFiles lists the files in dir, each formatted by format. A folder that does not exist has none.
func StoredFiles(t testing.TB, dir string, format func(name string, body []byte) string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, format(e.Name(), b))
	}
	return strings.Join(out, " ")
}

// WaitFor polls until ok returns true, for what happens in other goroutines behind a socket.
func WaitFor(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 30_000 {
		if ok() {
			return
		}
		<-tick.C
	}
	t.Fatal("not within 30,000 polls")
}
