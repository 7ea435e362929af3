package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

// socketMode is the mode of the unix socket. It decides who may connect; callers need no token.
const socketMode = 0o660

// socketGroup is the group of the operators. It need not exist.
const socketGroup = "plugtone"

// shutdownTime is how long running requests may take after the end of the context.
const shutdownTime = 5 * time.Second

// listenAddr is a unix socket's path or a TCP address.
type listenAddr struct {
	unix string
	tcp  string
}

func (l listenAddr) String() string {
	if l.unix != "" {
		return "unix:" + l.unix
	}
	return l.tcp
}

// parseListen parses all addresses and returns all errors. Tokens and secrets are sent over these listeners, so TCP addresses other than
// loopback need TLS.
func parseListen(list []string, hasTLS bool) ([]listenAddr, []error) {
	var out []listenAddr
	var errs []error
	for _, s := range list {
		if path, ok := strings.CutPrefix(s, "unix:"); ok {
			if path == "" {
				errs = append(errs, fmt.Errorf("admin listener %q: it has no path", s))
				continue
			}
			out = append(out, listenAddr{unix: path})
			continue
		}
		if err := checkTCP(s, hasTLS); err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, listenAddr{tcp: s})
	}
	return out, errs
}

func checkTCP(s string, hasTLS bool) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("admin listener %q is neither unix:PATH nor ADDRESS:PORT", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("admin listener %q: port %q must be 0 to 65535", s, port)
	}
	if hasTLS || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("admin listener %q is reachable from other machines, and passwords would be sent in clear\n"+
		"hint: set admin.tls_cert_file and admin.tls_key_file, or listen on 127.0.0.1 and use a tunnel", s)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Run listens until ctx ends. It calls ready when every listener is open.
func (s *Server) Run(ctx context.Context, ready func()) error {
	var listeners []net.Listener
	closeAll := func() {
		for _, l := range listeners {
			l.Close()
		}
	}
	for _, a := range s.listen {
		l, err := a.open()
		if err != nil {
			closeAll()
			return fmt.Errorf("admin listener %s: %w", a, err)
		}
		listeners = append(listeners, l)
	}
	g, gctx := errgroup.WithContext(ctx)
	for i, l := range listeners {
		g.Go(func() error { return s.serve(gctx, l, s.listen[i].unix != "") })
	}
	ready()
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// Limits of requests and connections. They also hold for peers without a token. The event stream has its own.
const (
	readTime  = 30 * time.Second // for a whole request
	writeTime = 10 * time.Minute // for a whole response: a backup may be large
	mostConns = 512              // at a time on one TCP listener; more wait
)

// serve answers on one listener until ctx ends, then waits for running requests.
func (s *Server) serve(ctx context.Context, l net.Listener, local bool) error {
	if !local {
		l = netutil.LimitListener(l, mostConns)
	}
	// Requests that never end by themselves (events) end with base.
	base := context.WithValue(ctx, localKey{}, local)
	srv := &http.Server{
		Handler:           s.Handler(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       connContext,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		TLSConfig:         s.cfg.TLS,
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// ctx has ended; Shutdown needs time.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		err := srv.Shutdown(stop)
		if errors.Is(err, context.DeadlineExceeded) {
			err = srv.Close()
		}
		done <- err
	}()
	var err error
	if local || s.cfg.TLS == nil {
		err = srv.Serve(l)
	} else {
		err = srv.ServeTLS(l, "", "")
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin listener %s: %w", l.Addr(), err)
	}
	return <-done
}

func (l listenAddr) open() (net.Listener, error) {
	if l.unix == "" {
		return net.Listen("tcp", l.tcp)
	}
	if err := clearSocket(l.unix); err != nil {
		return nil, err
	}
	// The socket must never be open to other users, not even between bind and chmod.
	old := syscall.Umask(0o777 &^ socketMode)
	ln, err := net.Listen("unix", l.unix)
	syscall.Umask(old)
	if err != nil {
		return nil, err
	}
	if err := ownSocket(l.unix); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// clearSocket removes a socket without a listener, which a killed daemon leaves behind. Anything else at the path is an error.
func clearSocket(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return errors.New("another daemon listens on it")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// ownSocket sets the mode of the socket, and its group to the operators' one if that exists and the process is allowed to.
func ownSocket(path string) error {
	if g, err := user.LookupGroup(socketGroup); err == nil {
		if gid, err := strconv.Atoi(g.Gid); err == nil {
			if err := os.Chown(path, -1, gid); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return os.Chmod(path, socketMode)
}
