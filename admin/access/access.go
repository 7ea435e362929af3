// Package access has the roles of the admin API and the caller of a request. Package admin authenticates callers.
package access

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
)

// Role is what a caller may do. A role includes the roles below it, apart from Push, which only Operator and Admin include.
type Role int

// The roles, the lowest first.
const (
	None     Role = iota
	Push          // sends what a PBX has, and nothing else
	Viewer        // reads, without secrets
	Operator      // also changes
	Admin         // also reads secrets and manages tokens
)

var roleNames = [...]string{"none", "push", "viewer", "operator", "admin"}

func (r Role) String() string { return roleNames[r] }

// ParseRole returns the role of a name, None for any other text.
func ParseRole(name string) Role {
	for r, n := range roleNames {
		if n == name {
			return Role(r)
		}
	}
	return None
}

// Caller is the sender of a request, as in the audit log.
type Caller struct {
	Name string
	Role Role
	From string // address that the request came from; "" over the unix socket

	Token string // digest of the secret of the caller's token, see HashToken; "" over the unix socket
}

type callerKey struct{}

// With returns a context whose caller is c.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Of returns the caller of a context, or one with the role None.
func Of(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// MayReveal returns an error that refuses secrets to callers without the role Admin; nil when reveal is false.
func MayReveal(ctx context.Context, reveal bool) error {
	if c := Of(ctx); reveal && c.Role < Admin {
		return huma.Error403Forbidden("secrets need the role admin; " + c.Name + " is " + c.Role.String())
	}
	return nil
}

// needKey is the key of the required role in an operation's metadata.
const needKey = "role"

// Need returns the metadata of an operation that requires a role.
func Need(role Role) map[string]any { return map[string]any{needKey: role} }

// Require returns a middleware that refuses callers without the role that the operation requires: Admin when its metadata has none.
func Require(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		need, ok := ctx.Operation().Metadata[needKey].(Role)
		if !ok {
			need = Admin
		}
		if c := Of(ctx.Context()); c.Role < need || need == Push && c.Role == Viewer {
			_ = huma.WriteErr(api, ctx, 403, "this needs the role "+need.String()+"; "+c.Name+" is "+c.Role.String())
			return
		}
		next(ctx)
	}
}
