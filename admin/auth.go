package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sys/unix"

	"plugtone/provision/fleet"
)

// role orders what callers may do: each may also do what those below it may.
type role int

const (
	nobody   role = iota
	viewer        // reads without secrets
	operator      // also changes
	admin         // also reveals secrets and manages tokens
)

func parseRole(s string) role {
	switch s {
	case "admin":
		return admin
	case "operator":
		return operator
	case "viewer":
		return viewer
	}
	return nobody
}

func (r role) String() string {
	return [...]string{"nobody", "viewer", "operator", "admin"}[r]
}

// caller is who asks, as it stands in the audit log.
type caller struct {
	name string
	role role
}

type (
	localKey  struct{} // bool: the request came over the unix socket
	peerKey   struct{} // string: the user at the other end of the unix socket
	callerKey struct{} // caller
)

// tokenPrefix makes a token recognisable where it should not be: in a log, in a repository.
const tokenPrefix = "plugtone_"

// newToken makes a token of 256 random bits.
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails, says crypto/rand
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

var errNoToken = errors.New("no such token")

// identify finds out who asks. The socket's file mode has let its caller in already.
func (s *Server) identify(r *http.Request) (caller, error) {
	if local, _ := r.Context().Value(localKey{}).(bool); local {
		name, _ := r.Context().Value(peerKey{}).(string)
		if name == "" {
			name = "unknown"
		}
		return caller{name: "local:" + name, role: admin}, nil
	}
	token, ok := bearer(r.Header.Get("Authorization"))
	if !ok {
		return caller{}, errNoToken
	}
	hash := hashToken(token)
	t, err := s.cfg.Tokens.TokenByHash(hash)
	if errors.Is(err, fleet.ErrNotFound) {
		return caller{}, errNoToken
	}
	if err != nil {
		return caller{}, err
	}
	// The store looks digests up in an index, so its time tells at most of digests, never of tokens; the last word is had in
	// constant time all the same.
	if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash)) != 1 {
		return caller{}, errNoToken
	}
	return caller{name: "token:" + t.Name, role: parseRole(t.Role)}, nil
}

func bearer(header string) (string, bool) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != "" && len(token) < 512
}

// connContext names the user at the other end of a unix socket.
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

// requires is the middleware that holds an operation to the role in its metadata.
func (s *Server) requires(ctx huma.Context, next func(huma.Context)) {
	need, ok := ctx.Operation().Metadata["role"].(role)
	if !ok {
		need = admin // an operation without a role is open to the fewest
	}
	if c := callerOf(ctx.Context()); c.role < need {
		_ = huma.WriteErr(s.api, ctx, http.StatusForbidden,
			"this needs the role "+need.String()+"; "+c.name+" is "+c.role.String())
		return
	}
	next(ctx)
}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// mayReveal tells whether the caller gets secrets, or why not.
func mayReveal(ctx context.Context, reveal bool) error {
	if c := callerOf(ctx); reveal && c.role < admin {
		return huma.Error403Forbidden("secrets are shown to the role admin only; " + c.name + " is " + c.role.String())
	}
	return nil
}

// revealed notes in the audit log that secrets were shown. What can't be noted is not shown.
func (s *Server) revealed(ctx context.Context, kind, name string) error {
	return s.cfg.Audit.RecordAudit(fleet.AuditEntry{
		Time: s.cfg.Now(), Actor: callerOf(ctx).name, Action: "reveal " + kind + " " + name,
		Records: []fleet.AuditRecord{{Kind: kind, Name: name, Change: "revealed"}},
	})
}
