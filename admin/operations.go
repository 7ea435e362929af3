package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

func (s *Server) vendorRoutes() {
	huma.Register(s.api, op(http.MethodGet, "/vendors", "list-vendors", "vendors", "List vendor packs and their models", viewer),
		func(context.Context, *struct{}) (*itemsOutput[client.Vendor], error) {
			var list []client.Vendor
			for _, v := range s.cfg.Packs().Vendors() {
				d := v.Describe()
				list = append(list, client.Vendor{Vendor: d.Vendor, Name: d.Name, Aliases: d.Aliases, Experimental: d.Experimental,
					Recognises: d.Recognises, Models: d.Models})
			}
			return items(list), nil
		})
	huma.Register(s.api, op(http.MethodGet, "/vendors/{vendor}", "get-vendor", "vendors", "Read a vendor pack", viewer),
		func(_ context.Context, in *struct {
			Vendor string `path:"vendor" doc:"vendor id or alias"`
		}) (*struct{ Body pack.Description }, error) {
			v, err := s.cfg.Packs().FindVendor(in.Vendor)
			if err != nil {
				return nil, huma.Error404NotFound(err.Error())
			}
			return &struct{ Body pack.Description }{v.Describe()}, nil
		})
}

func (s *Server) operationRoutes() {
	s.eventRoutes()
	huma.Register(s.api, op(http.MethodGet, "/audit", "list-audit", "operation", "List who did what, oldest first", admin), s.audit)
	huma.Register(s.api, op(http.MethodGet, "/tokens", "list-tokens", "tokens", "List tokens, without their secrets", admin),
		func(context.Context, *struct{}) (*itemsOutput[fleet.Token], error) {
			list, err := s.cfg.Tokens.Tokens()
			return items(list), problem(err)
		})
	add := op(http.MethodPost, "/tokens", "post-token", "tokens", "Make a token; its secret is in this answer only", admin)
	add.DefaultStatus = http.StatusCreated
	huma.Register(s.api, add, s.addToken)
	huma.Register(s.api, op(http.MethodDelete, "/tokens/{name}", "delete-token", "tokens", "Revoke a token", admin),
		func(ctx context.Context, in *NameInput) (*struct{}, error) {
			return nil, problem(s.cfg.Tokens.DeleteToken(callerOf(ctx).name, in.Name))
		})
	huma.Register(s.api, op(http.MethodPost, "/reload", "reload", "operation", "Read the configuration and the vendor packs again", admin),
		func(ctx context.Context, in *struct {
			Force bool `query:"force" doc:"also when subnets with active leases are left out, or an interface is missing"`
		}) (*struct{}, error) {
			if err := s.cfg.Reload(ctx, in.Force); err != nil {
				return nil, huma.Error409Conflict("the configuration is kept as it was: " + err.Error())
			}
			return nil, problem(s.note(ctx, "reload", "configuration", "", "changed"))
		})
	huma.Register(s.api, op(http.MethodGet, "/status", "get-status", "operation", "Read how the daemon is", viewer),
		func(context.Context, *struct{}) (*struct{ Body client.DaemonStatus }, error) {
			st := s.cfg.Status()
			err := s.cfg.Ready()
			if st.Ready = err == nil; err != nil {
				st.Faults = append(st.Faults, err.Error())
			}
			return &struct{ Body client.DaemonStatus }{st}, nil
		})
	backup := op(http.MethodGet, "/backup", "get-backup", "operation", "Read a backup of everything, secrets included, as a tar stream", admin)
	backup.Responses = map[string]*huma.Response{"200": {Description: "The backup", Content: map[string]*huma.MediaType{"application/x-tar": {}}}}
	huma.Register(s.api, backup, s.backup)
}

func (s *Server) audit(_ context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor"`
}) (*listOutput[fleet.AuditEntry], error) {
	var after uint64
	if in.Cursor != "" {
		text, err := readCursor(in.Cursor)
		if err == nil {
			after, err = strconv.ParseUint(text, 10, 64)
		}
		if err != nil {
			return nil, invalidField("query.cursor", in.Cursor, "is no next_cursor of a page")
		}
	}
	list, err := s.cfg.Audit.Audit(after, in.Limit+1)
	if err != nil {
		return nil, problem(err)
	}
	out := &listOutput[fleet.AuditEntry]{}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.Body.NextCursor = writeCursor(strconv.FormatUint(list[in.Limit-1].ID, 10))
	}
	out.Body.Items = append([]fleet.AuditEntry{}, list...)
	return out, nil
}

func (s *Server) addToken(ctx context.Context, in *struct{ Body client.TokenRequest }) (*struct{ Body client.NewToken }, error) {
	if in.Body.Name == "" || parseRole(in.Body.Role) == nobody {
		return nil, invalidField("body", "", "needs name and role (admin, operator or viewer)")
	}
	all, err := s.cfg.Tokens.Tokens()
	if err != nil {
		return nil, problem(err)
	}
	for _, t := range all {
		if t.Name == in.Body.Name {
			return nil, huma.Error409Conflict(fmt.Sprintf("token %s exists already; delete it first", t.Name))
		}
	}
	secret := newToken()
	who := callerOf(ctx).name
	err = s.cfg.Tokens.PutToken(who, fleet.Token{Name: in.Body.Name, Role: in.Body.Role, Hash: hashToken(secret), CreatedAt: s.cfg.Now(), CreatedBy: who})
	if err != nil {
		return nil, problem(err)
	}
	return &struct{ Body client.NewToken }{client.NewToken{Name: in.Body.Name, Role: in.Body.Role, Token: secret}}, nil
}

// backup streams. What fails after the first byte can't be a problem document any more: the connection is cut, so that a
// half backup is seen to be one.
func (s *Server) backup(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	if err := s.note(ctx, "backup", "backup", "", "revealed"); err != nil {
		return nil, problem(err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", "application/x-tar")
		c.SetHeader("Content-Disposition", `attachment; filename="plugtone-backup.tar"`)
		w := &counting{w: c.BodyWriter()}
		err := s.cfg.Backup(w)
		switch {
		case err == nil:
		case w.n == 0:
			c.SetHeader("Content-Disposition", "")
			c.SetHeader("Retry-After", retryAfter)
			_ = huma.WriteErr(s.api, c, http.StatusServiceUnavailable, "no backup: "+err.Error())
		default:
			s.cfg.Log.Error("backup broke off", "err", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// counting knows whether anything was written.
type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
