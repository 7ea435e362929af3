package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
	"plugtone/store"
)

// phones send requests, but for those that boot at once; there may be more devices on record.
const phones = 100

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

// server is one program that is measured and the namespace of its clients.
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

// newServer makes two namespaces with a cable between them: of the program, which has serverAddr, and of all its clients.
func newServer(ctx context.Context, dir, name string, impairment *netlab.Impairment, clients ...netip.Addr) (s *server, err error) {
	s = &server{ctx: ctx, name: name}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.lab, err = netlab.New(); err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp(dir, name+"-"); err == nil {
		err = os.Chmod(s.dir, 0o755)
	}
	if err == nil {
		s.host, err = s.lab.Namespace("server")
	}
	if err == nil {
		s.clients, err = s.lab.Namespace("clients")
	}
	if err != nil {
		return s, err
	}
	var addrs []netip.Prefix
	for _, a := range clients {
		addrs = append(addrs, netip.PrefixFrom(a, network.Bits()))
	}
	ours := netlab.Port{Namespace: s.host, Name: "eth0", MAC: serverMAC.String(), Addrs: []netip.Prefix{netip.PrefixFrom(serverAddr, network.Bits())}}
	theirs := netlab.Port{Namespace: s.clients, Name: "eth0", Addrs: addrs}
	if impairment != nil {
		return s, s.lab.LossyLink(ours, theirs, *impairment)
	}
	return s, s.lab.Link(ours, theirs)
}

func (s *server) close() {
	if s.cmd != nil && s.cmd.Process != nil {
		// Stop it in order: nginx's workers would outlive a master that was killed.
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
		_ = s.cmd.Wait()
		kill.Stop()
	}
	if s.lab != nil {
		_ = s.lab.Close()
	}
	_ = os.RemoveAll(s.dir)
}

// launch starts the program and waits until it answers.
func (s *server) launch(env, args []string, answers func() error) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.host.Command(s.ctx, args[0], args[1:]...)
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = append(os.Environ(), env...), log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if err := answers(); err != nil {
		output, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w\n%s", s.name, err, output)
	}
	return nil
}

// launchFiles starts a file server and waits until phone 0 gets its file.
func (s *server) launchFiles(kind string, args ...string) error {
	return s.launch(nil, args, func() error {
		return s.poll(100*time.Millisecond, func() error {
			_, err := s.fetch(kind, 0)
			return err
		})
	})
}

// poll calls f until it succeeds, up to 300 times.
func (s *server) poll(every time.Duration, f func() error) (err error) {
	for range 300 {
		if err = f(); err == nil {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(every):
		}
	}
	return fmt.Errorf("it does not answer: %w", err)
}

// fetch gets a phone's own file, as that phone.
func (s *server) fetch(kind string, n int) (body []byte, err error) {
	var got bytes.Buffer
	err = s.clients.Do(func() error {
		if kind == "tftp" {
			_, err := (&load{}).getter(phoneAddr(n))(phoneFile(n))
			return err
		}
		c := bootclient.HTTP{From: phoneAddr(n), Server: serverAddr, Timeout: 5 * time.Second}
		_, err := c.Get(phoneFile(n), &got)
		return err
	})
	return got.Bytes(), err
}

// start starts plugtone as it is installed: log, timelines, metrics and all.
func start(ctx context.Context, o options, name string, phones, devices int) (*server, error) {
	s, err := newServer(ctx, o.dir, name, o.impairment, phoneAddrs(phones)...)
	if err != nil {
		return nil, err
	}
	err = withStore(s.dir, func(x *store.Store) error { return seed(x, phones, devices) })
	if err == nil {
		err = writeFiles(filepath.Join(s.dir, "data", "files"))
	}
	var args []string
	if err == nil {
		args, err = plugtone(o.program, s.dir, "pools: [10.0.1.0-10.5.255.255], routers: [10.0.0.1], lease_time: 8d", "")
	}
	if err == nil {
		s.again = append(append([]string{"env"}, unitEnvironment...), args...)
		err = s.launchFiles("http", s.again...)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// phoneAddrs are those of the first n phones.
func phoneAddrs(n int) (all []netip.Addr) {
	for i := range n {
		all = append(all, phoneAddr(i))
	}
	return all
}

// seed writes what an operator would have entered and what DHCP would have leased.
func seed(s *store.Store, phones, devices int) error {
	var leases []dhcp.Change
	for n := range max(phones, devices) {
		c := leaseOf(phoneAddr(n), phoneMAC(n))
		c.Lease.VendorClass, c.Lease.Phone = "yealink", true
		leases = append(leases, c)
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
			err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)})
			if err != nil {
				return err
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
	return nil
}

// writeFiles writes the files that are no phone's own.
func writeFiles(dir string) error {
	b := make([]byte, bigSize)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, bigFile), b, 0o644), os.WriteFile(filepath.Join(dir, lossyFile), b[:lossySize], 0o644))
}

// startBeside starts the other program with the very bytes that ours gives.
func startBeside(ctx context.Context, o options, name string, ours *server) (*server, error) {
	s, err := newServer(ctx, o.dir, name, o.impairment, phoneAddrs(phones)...)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(s.dir, "files")
	err = writeFiles(files)
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
		err = s.launchFiles("tftp", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-tftp", "--tftp-root="+files, "--tftp-max=1000", "--user=root", "--log-facility=-", "--quiet-tftp")
	case "atftpd":
		err = s.launchFiles("tftp", "atftpd", "--daemon", "--no-fork", "--user=root", "--group=root", "--maxthread=1000", "--logfile="+filepath.Join(s.dir, "atftpd.log"), files)
	case "nginx":
		conf := filepath.Join(s.dir, "nginx.conf")
		text := fmt.Sprintf(`daemon off; user root; worker_processes auto; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 2048; }
http { access_log %[1]s/access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type text/plain; server { listen 80; root %[2]s; } }
`, s.dir, files)
		if err = os.WriteFile(conf, []byte(text), 0o644); err == nil {
			err = s.launchFiles("http", "nginx", "-c", conf, "-p", s.dir)
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
