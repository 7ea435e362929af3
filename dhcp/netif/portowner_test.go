package netif

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPortOwnerFindsThisProcess(t *testing.T) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := udp.LocalAddr().(*net.UDPAddr).Port
	for network, port := range map[string]int{"udp": port, "udp4": port, "tcp": tcp.Addr().(*net.TCPAddr).Port} {
		pid, name, ok := PortOwner(network, port)
		if !ok || pid != os.Getpid() || name != self(t) {
			t.Errorf("PortOwner(%s, %d) = %d %q %v, want this process", network, port, pid, name, ok)
		}
	}
	tcpPort := tcp.Addr().(*net.TCPAddr).Port
	tcp.Close()
	if pid, name, ok := PortOwner("tcp", tcpPort); ok {
		t.Errorf("closed port is held by %d %q", pid, name)
	}
}

func TestSocketsOnReadsTheTable(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   10: 00000000:0043 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 2 0000000000000000 0
   11: 0100007F:0043 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 112 2 0000000000000000 0
   12: 00000000000000000000000000000000:0043 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 113 2 0 0
   13: 00000000:0044 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 114 2 0000000000000000 0
   14: short
`
	path := filepath.Join(t.TempDir(), "udp")
	if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	for listening, want := range map[bool]int{true: 2, false: 3} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		socketsOn(f, 67, listening, got)
		f.Close()
		if len(got) != want || !got["socket:[111]"] || !got["socket:[113]"] {
			t.Errorf("listening only %v: %v", listening, got)
		}
	}
}

func TestListenErrorNamesOwnerAndMend(t *testing.T) {
	held, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	port := held.LocalAddr().(*net.UDPAddr).Port
	for _, c := range []struct {
		err  error
		want string
	}{
		{syscall.EADDRINUSE, fmt.Sprintf("/udp is taken by %s (process %d)", self(t), os.Getpid())},
		{syscall.EACCES, "\nhint: CAP_NET_BIND_SERVICE is missing: setcap cap_net_bind_service,cap_net_raw=+ep "},
		{syscall.EACCES, "AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW"},
		{syscall.EINVAL, "/udp: listen: bind: invalid argument"},
	} {
		got := ListenError("dhcp", "udp", port, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", c.err)})
		if !strings.HasPrefix(got.Error(), "dhcp: port ") || !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v: %q lacks %q", c.err, got, c.want)
		}
	}
}

// self is the name of this process.
func self(t *testing.T) string {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(comm))
}
