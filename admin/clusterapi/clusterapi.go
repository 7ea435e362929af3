// Package clusterapi has the operation of the admin API on the cluster.
package clusterapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
)

// Register adds the operation to an API. status returns the state of the cluster.
func Register(api huma.API, status func(context.Context) client.ClusterStatus) {
	huma.Register(api, access.Op(http.MethodGet, "/cluster", "get-cluster", "operation", "Show the members of the cluster, etcd, and how far this member's records follow", access.Viewer),
		func(ctx context.Context, _ *struct{}) (*struct{ Body client.ClusterStatus }, error) {
			return &struct{ Body client.ClusterStatus }{status(ctx)}, nil
		})
}
