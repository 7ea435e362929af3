// Package networkapi has the operations of the admin API on what happened on the network lately.
package networkapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/recent"
)

// Config has what the operations need. All members are required.
type Config struct {
	Recent *recent.Recent
	Now    func() time.Time
}

// list is a list without pages.
type list[T any] struct {
	Body struct {
		Items []T `json:"items" doc:"the whole list"`
	}
}

// Register adds the operations to an API.
func Register(api huma.API, c Config) {
	huma.Register(api, access.Op(http.MethodGet, "/incidents", "list-incidents", "network", "List what was wrong on the network in the last day", access.Viewer),
		func(context.Context, *struct{}) (*list[client.Incident], error) {
			out := &list[client.Incident]{}
			out.Body.Items = c.Recent.Incidents(c.Now())
			return out, nil
		})
	huma.Register(api, access.Op(http.MethodGet, "/boots", "list-boots", "network", "Count the phones that booted in each minute of the last hour", access.Viewer),
		func(context.Context, *struct{}) (*list[client.BootMinute], error) {
			out := &list[client.BootMinute]{}
			out.Body.Items = c.Recent.Boots(c.Now())
			return out, nil
		})
}
