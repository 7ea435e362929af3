package admin

import (
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"plugtone/admin/access"
	"plugtone/provision/fleet"
)

type (
	localKey struct{} // bool: the request came over the unix socket
	peerKey  struct{} // string: the user at the other end of the unix socket
)

var errNoToken = errors.New("no such token")

// identify returns the caller of a request. Callers over the unix socket need no token: its mode decides who may connect.
func (s *Server) identify(r *http.Request) (access.Caller, error) {
	if local, _ := r.Context().Value(localKey{}).(bool); local {
		name, _ := r.Context().Value(peerKey{}).(string)
		if name == "" {
			name = "unknown"
		}
		return access.Caller{Name: "local:" + name, Role: access.Admin}, nil
	}
	token, ok := bearer(r.Header.Get("Authorization"))
	if !ok {
		return access.Caller{}, errNoToken
	}
	hash := access.HashToken(token)
	t, err := s.cfg.API.Tokens.TokenByHash(hash)
	if errors.Is(err, fleet.ErrNotFound) {
		return access.Caller{}, errNoToken
	}
	if err != nil {
		return access.Caller{}, err
	}
	// The lookup is by digest, so its time reveals nothing about tokens. The comparison takes constant time all the same.
	if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash)) != 1 {
		return access.Caller{}, errNoToken
	}
	return access.Caller{Name: "token:" + t.Name, Role: access.ParseRole(t.Role), From: remoteHost(r.RemoteAddr), Token: hash}, nil
}

// remoteHost returns the address in a HOST:PORT.
func remoteHost(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

func bearer(header string) (string, bool) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != "" && len(token) < 512
}

// connContext adds the user at the other end of a unix socket to the context.
func connContext(ctx context.Context, c net.Conn) context.Context {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return ctx
	}
	name := ""
	err = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			name = userName(cred.Uid)
		}
	})
	if err != nil || name == "" {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, name)
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid" + id
}
