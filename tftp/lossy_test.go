package tftp

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
)

// atftp and a server on a link that delays and loses packets exchange files in windows, whole, in either direction. The link is
// narrower than the blocks in one case: the kernel then refuses to split windows, and blocks go as fragments.
func TestWindowsOverALossyLink(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{1500, 1280} {
		t.Run(fmt.Sprint("mtu ", mtu), func(t *testing.T) {
			lab := netlab.Require(t, "atftp")
			server, err := lab.Namespace("server")
			must(t, err)
			phone, err := lab.Namespace("phone")
			must(t, err)
			addr := func(a string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(a + "/16")} }
			must(t, lab.LossyLink(
				netlab.Port{Namespace: server, Name: "eth0", Addrs: addr(fixtureAddr.String()), MTU: mtu},
				netlab.Port{Namespace: phone, Name: "eth0", Addrs: addr("10.20.1.1"), MTU: mtu},
				netlab.Impairment{Delay: time.Millisecond, Loss: 0.015, Seed: uint64(mtu)}))
			cmd := server.Command(t.Context(), os.Args[0])
			cmd.Env, cmd.Stderr = append(os.Environ(), serverEnv+"=true"), os.Stderr
			input, err := cmd.StdinPipe()
			must(t, err)
			output, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			if line, err := bufio.NewReader(output).ReadString('\n'); line != "ready\n" {
				t.Fatalf("server: %q %v", line, err)
			}
			for i, opts := range [][]string{{"windowsize 16", "blksize 1428"}, {"windowsize 64"}, {"windowsize 3", "blksize 600"}} {
				got := filepath.Join(t.TempDir(), "got")
				args := []string{"-g", "-r", "large", "-l", got, "--tftp-timeout", "1"}
				for _, o := range opts {
					args = append(args, "--option", o)
				}
				var out, body []byte
				// When its first ACK is lost, the server repeats the OACK, as RFC 2347 has it, and atftp gives up. It begins again then.
				for range 5 {
					out, _ = phone.Command(t.Context(), "atftp", append(args, fixtureAddr.String())...).CombinedOutput()
					body, _ = os.ReadFile(got)
					if !bytes.Contains(out, []byte("unexpected OACK")) {
						break
					}
				}
				if !bytes.Equal(body, largeFile()) {
					t.Errorf("%d: %v: %d bytes of %d: %s", i, opts, len(body), len(largeFile()), out)
				}
			}
			must(t, input.Close())
			must(t, cmd.Wait())
		})
	}
}

func largeFile() []byte { return bytes.Repeat(fixtureFile, 12) }
