package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
	"plugtone/store"
)

// phones send requests; there may be more devices on record. When all boot at once there are more of them too.
const (
	phones      = 100
	stormPhones = 1000
)

// bigFile has the size of firmware, and a name that no pack has: firmware is only for devices that name it.
const (
	bigFile   = "bench.dat"
	bigSize   = 50_000_000
	lossyFile = "lossy.dat"
	lossySize = 5_000_000
)

var (
	serverAddr = netip.MustParseAddr("10.0.0.2")
	network    = netip.MustParsePrefix("10.0.0.0/8")
)

// server is one running program and the namespace of its clients.
type server struct {
	ctx     context.Context
	name    string
	dir     string
	lab     *netlab.Lab
	host    *netlab.Namespace
	clients *netlab.Namespace
	cmd     *exec.Cmd
	again   []string // how it was started
}

// newServer makes two namespaces with a cable between them. All phones live in one of them.
func newServer(ctx context.Context, o options, name string, phones int) (*server, error) {
	lab, err := netlab.New()
	if err != nil {
		return nil, err
	}
	s := &server{ctx: ctx, name: name, lab: lab}
	if s.dir, err = os.MkdirTemp(o.dir, name+"-"); err == nil {
		err = os.Chmod(s.dir, 0o755)
	}
	if err == nil {
		s.host, err = lab.Namespace("server")
	}
	if err == nil {
		s.clients, err = lab.Namespace("phones")
	}
	if err != nil {
		return s, err
	}
	var addrs []netip.Prefix
	for n := range phones {
		addrs = append(addrs, netip.PrefixFrom(phoneAddr(n), network.Bits()))
	}
	ours := netlab.Port{Namespace: s.host, Name: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(serverAddr, network.Bits())}}
	theirs := netlab.Port{Namespace: s.clients, Name: "eth0", Addrs: addrs}
	if o.impairment != nil {
		return s, lab.LossyLink(ours, theirs, *o.impairment)
	}
	return s, lab.Link(ours, theirs)
}

func (s *server) close() {
	if s == nil {
		return
	}
	if s.cmd != nil && s.cmd.Process != nil {
		// Stop it in order: nginx's workers would outlive a master that was killed.
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
		_ = s.cmd.Wait()
		kill.Stop()
	}
	_ = s.lab.Close()
}

// launch starts a program and waits until phone 0 gets its file.
func (s *server) launch(kind string, args ...string) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.host.Command(s.ctx, args[0], args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 300 {
		if _, err = s.fetch(kind, 0); err == nil {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	output, _ := os.ReadFile(log.Name())
	return fmt.Errorf("%s does not answer: %w\n%s", s.name, err, output)
}

// fetch gets a phone's own file, as that phone.
func (s *server) fetch(kind string, n int) (body []byte, err error) {
	if kind == "tftp" {
		err = s.clients.Do(func() error {
			l := load{Server: serverAddr.String()}
			_, err := l.tftp(phoneAddr(n))(phoneFile(n))
			return err
		})
		return nil, err
	}
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = s.clients.Do(func() error {
			conn, err = (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(phoneAddr(n), 0))}).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}}}
	resp, err := c.Get("http://" + serverAddr.String() + "/" + phoneFile(n))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// start starts plugtone as it is installed: log, timelines, metrics and all.
func start(ctx context.Context, o options, name string, phones, devices int) (*server, error) {
	s, err := newServer(ctx, o, name, phones)
	if err != nil {
		s.close()
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	if err := seed(data, phones, devices); err != nil {
		s.close()
		return nil, err
	}
	config := filepath.Join(s.dir, "plugtone.yaml")
	text := fmt.Sprintf(`data_dir: %s
dhcp:
  conflict_check: false
  subnets:
    - {subnet: %s, interface: eth0, pools: [10.0.1.0-10.5.255.255], routers: [10.0.0.1], lease_time: 8d}
provisioning: {settings: {admin_password: b3nchmark}}
admin: {listen: ["unix:%s/admin.sock"]}
`, data, network, s.dir)
	err = os.WriteFile(config, []byte(text), 0o644)
	if err == nil {
		s.again = append(append([]string{"env"}, unitEnvironment...), o.program, "serve", "--config", config)
		err = s.launch("http", s.again...)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// seed writes what an operator would have entered and what DHCP would have leased.
func seed(dir string, phones, devices int) (err error) {
	s, err := store.Open(store.Config{Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	now := time.Now().UTC().Truncate(time.Second)
	var leases []dhcp.Change
	for n := range max(phones, devices) {
		leases = append(leases, dhcp.Change{Lease: dhcp.Lease{Addr: phoneAddr(n), MAC: phoneMAC(n), Subnet: network, State: dhcp.LeaseActive,
			FirstSeen: now.AddDate(0, -1, 0), Starts: now, Expires: now.Add(24 * time.Hour), VendorClass: "yealink", Phone: true}})
	}
	if err := s.WriteLeases(leases); err != nil {
		return err
	}
	// Parameters of the operator's own, for a file of 10 kB.
	extra := map[string]string{}
	for i := range 12 {
		extra[fmt.Sprintf("bench.parameter.%03d", i)] = strings.Repeat("x", 32)
	}
	const batch = 5000
	for from := 0; from < devices; from += batch {
		err := s.Edit("bench", "seed", func(e fleet.Edit) error {
			if from == 0 {
				err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)})
				if err != nil {
					return err
				}
			}
			for n := from; n < min(from+batch, devices); n++ {
				number := strconv.Itoa(100_000 + n)
				d := &fleet.Device{MAC: phoneMAC(n), Vendor: "yealink", Model: "T46U", Enabled: true, Credentials: trust.NewCredentials(phoneMAC(n)),
					Lines: []fleet.Line{{Position: 1, Extension: number, Registrar: "main"}}}
				if n < phones {
					d.VendorSettings = map[string]map[string]string{"yealink": extra}
				}
				if err := errors.Join(e.PutExtension(&fleet.Extension{Number: number, Registrar: "main", Password: "s3cret"}), e.PutDevice(d)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	files := filepath.Join(dir, "files")
	return errors.Join(os.MkdirAll(files, 0o755), os.WriteFile(filepath.Join(files, bigFile), big(), 0o644),
		os.WriteFile(filepath.Join(files, lossyFile), big()[:lossySize], 0o644))
}

func big() []byte {
	b := make([]byte, bigSize)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

// startBeside starts the other program with the very bytes that ours gives.
func startBeside(ctx context.Context, o options, name string, ours *server) (*server, error) {
	s, err := newServer(ctx, o, name, phones)
	if err != nil {
		s.close()
		return nil, err
	}
	files := filepath.Join(s.dir, "files")
	if err = os.Mkdir(files, 0o755); err == nil {
		err = os.WriteFile(filepath.Join(files, bigFile), big(), 0o644)
	}
	for n := 0; n < phones && err == nil; n++ {
		var body []byte
		if body, err = ours.fetch("http", n); err == nil {
			err = os.WriteFile(filepath.Join(files, phoneFile(n)), body, 0o644)
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	switch name {
	case "dnsmasq":
		err = s.launch("tftp", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-tftp", "--tftp-root="+files, "--tftp-max=1000", "--user=root", "--log-facility=-", "--quiet-tftp")
	case "atftpd":
		err = s.launch("tftp", "atftpd", "--daemon", "--no-fork", "--user=root", "--group=root", "--maxthread=1000", "--logfile="+filepath.Join(s.dir, "atftpd.log"), files)
	case "nginx":
		conf := filepath.Join(s.dir, "nginx.conf")
		text := fmt.Sprintf(`daemon off; user root; worker_processes auto; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 2048; }
http { access_log %[1]s/access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type text/plain; server { listen 80; root %[2]s; } }
`, s.dir, files)
		if err = os.WriteFile(conf, []byte(text), 0o644); err == nil {
			err = s.launch("http", "nginx", "-c", conf, "-p", s.dir)
		}
	default:
		err = fmt.Errorf("no program %q to compare with", name)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
