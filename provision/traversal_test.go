package provision_test

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/provision"
	"plugtone/provision/fleet"
)

// outside are names by which other servers have served files from outside their folder, or secrets inside it.
var outside = []string{
	"../secret", "../../secret", "../../../../../../../../etc/passwd", "/../secret", "//../secret", "/./../secret", "./../secret", "a/../../secret",
	"old/../../secret", "old/../../../secret", "..\\secret", "..\\..\\secret", "\\..\\secret", "old\\..\\..\\secret", "..\\/secret", "../\\secret", "....//secret",
	"..../secret", "...//...//secret", ".../secret", "..;/secret", "..%2fsecret", "..%2Fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "%252e%252e%252fsecret", "..%5csecret",
	"..%c0%afsecret", "..\xc0\xafsecret", "\xc0\xae\xc0\xae/secret", "..%u2215secret", "\u2025/secret", "\uff0e\uff0e/secret", "..\u2215secret", "..\u2044secret",
	"../secret\x00.cfg", "secret\x00", "../secret ", "../secret.", "..//secret", "..///secret", "../files/../secret", "../files-beside/secret", "files/../../secret",
	"C:\\secret", "C:/secret", "c:secret", "\\\\127.0.0.1\\c$\\secret", "file:///etc/passwd", "/etc/passwd", "//etc/passwd", "etc/passwd", "/proc/self/environ", "proc/self/root/etc/passwd",
	"link", "link/secret", "dirlink/secret", "dirlink/../secret", "absolute", "old", "old/", ".", "..", "/", "//", "", "~/secret", "~root/secret", "$HOME/secret", "`id`", "old/001565123456.cfg",
	"old//001565123456.cfg", "old/./001565123456.cfg", "old/../old/001565123456.cfg", "OLD/001565123456.CFG", "old\\001565123456.cfg", "old/00-15-65-12-34-56.cfg", "old/00:15:65:12:34:56.cfg", "pipe",
	strings.Repeat("../", 40) + "secret", strings.Repeat("a/", 60) + strings.Repeat("../", 61) + "secret", strings.Repeat("x", 300),
}

// No name leads out of the files folder, nor to a configuration that was copied into it, for any requester.
func TestNoNameLeadsOutOfTheFilesFolder(t *testing.T) {
	h := newFixture(t)
	const secret = "not to be seen"
	beside := filepath.Dir(h.files)
	for _, place := range []string{filepath.Join(beside, "secret"), filepath.Join(h.files+"-beside", "secret")} {
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, []byte(secret), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(place) })
	}
	for _, name := range []string{"old/001565123456.cfg", "old/00-15-65-12-34-56.cfg", "old/00:15:65:12:34:56.cfg"} {
		h.write(name, secret)
	}
	for name, to := range map[string]string{"link": "../secret", "dirlink": "..", "absolute": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(h.files, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range outside {
		for _, from := range []string{"10.20.1.7", "10.20.1.200", "192.0.2.1"} {
			for _, over := range []fleet.Transport{fleet.TFTP, fleet.HTTP} {
				a := h.Answer(t.Context(), provision.Request{Time: noon, Transport: over, Method: "GET", Name: name, From: netip.MustParseAddr(from)})
				body := string(a.Body)
				if a.Content != nil {
					b, err := io.ReadAll(a.Content)
					if err != nil {
						t.Errorf("%q: %v", name, err)
					}
					body += string(b)
					_ = a.Content.Close()
				}
				if strings.Contains(body, secret) || strings.Contains(body, "root:") || a.Outcome == provision.InternalError {
					t.Errorf("%q from %s over %s: %s, %q", name, from, over, a.Outcome, a.Reason)
				}
			}
		}
	}
}
