package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/provision/fleet"
)

// tokens has the operations on bearer tokens.
type tokens struct{ *core }

func (s tokens) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/tokens", "list-tokens", "tokens", "List tokens, without their secrets", access.Admin),
		func(context.Context, *struct{}) (*itemsOutput[fleet.Token], error) {
			list, err := s.Tokens.Tokens()
			return items(list), problem.From(err)
		})
	add := access.Op(http.MethodPost, "/tokens", "post-token", "tokens", "Create a token and read its secret, this once", access.Admin)
	add.DefaultStatus = http.StatusCreated
	huma.Register(s.api, add, s.add)
	huma.Register(s.api, access.Op(http.MethodDelete, "/tokens/{name}", "delete-token", "tokens", "Revoke a token", access.Admin),
		func(ctx context.Context, in *NameInput) (*struct{}, error) {
			return nil, problem.From(s.Tokens.DeleteToken(access.Of(ctx).Name, in.Name))
		})
}

func (s tokens) add(ctx context.Context, in *struct{ Body client.TokenRequest }) (*struct{ Body client.NewToken }, error) {
	if in.Body.Name == "" || access.ParseRole(in.Body.Role) == access.None {
		return nil, problem.Field("body", "", "needs name and role (admin, operator, viewer or push)")
	}
	all, err := s.Tokens.Tokens()
	if err != nil {
		return nil, problem.From(err)
	}
	for _, t := range all {
		if t.Name == in.Body.Name {
			return nil, huma.Error409Conflict(fmt.Sprintf("token %s exists already; delete it first", t.Name))
		}
	}
	secret := access.NewToken()
	actor := access.Of(ctx).Name
	err = s.Tokens.PutToken(actor, fleet.Token{Name: in.Body.Name, Role: in.Body.Role, Hash: access.HashToken(secret), CreatedAt: s.Now(), CreatedBy: actor})
	if err != nil {
		return nil, problem.From(err)
	}
	return &struct{ Body client.NewToken }{client.NewToken{Name: in.Body.Name, Role: in.Body.Role, Token: secret}}, nil
}
