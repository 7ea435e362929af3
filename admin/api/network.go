package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// network has the operations on subnets and leases.
type network struct{ *core }

// noPrefix means the phone's own subnet.
var noPrefix netip.Prefix

// itemsOutput is a list without pages.
type itemsOutput[T any] struct {
	Body struct {
		Items []T `json:"items" doc:"the whole list"`
	}
}

func items[T any](list []T) *itemsOutput[T] {
	out := &itemsOutput[T]{}
	out.Body.Items = list
	if list == nil {
		out.Body.Items = []T{}
	}
	return out
}

type leaseListInput struct {
	paging.Input
	Subnet string `query:"subnet" doc:"only leases in this subnet" example:"10.20.0.0/22"`
	State  string `query:"state" enum:"active,released,expired,declined" doc:"only leases in this state" example:"active"`
}

func (s network) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/leases", "list-leases", "network", "List leases", access.Viewer), s.listLeases)
	huma.Register(s.api, access.Op(http.MethodDelete, "/leases/{ip}", "delete-lease", "network", "Delete a lease", access.Operator),
		func(ctx context.Context, in *struct {
			IP string `path:"ip" doc:"leased address" example:"10.20.1.7"`
		}) (*struct{}, error) {
			return nil, s.deleteLease(ctx, in.IP)
		})
	huma.Register(s.api, access.Op(http.MethodGet, "/subnets", "list-subnets", "network", "List subnets, their pools and how full they are", access.Viewer),
		func(context.Context, *struct{}) (*itemsOutput[client.Subnet], error) {
			return items(s.Subnets()), nil
		})
}

func (s network) listLeases(_ context.Context, in *leaseListInput) (*listOutput[client.Lease], error) {
	subnet, err := s.ownSubnet("query.subnet", in.Subnet)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Clone(s.Leases.All()), func(l dhcp.Lease) bool {
		return subnet.IsValid() && l.Subnet != subnet || in.State != "" && string(l.State) != in.State
	})
	slices.SortFunc(all, func(a, b dhcp.Lease) int { return a.Addr.Compare(b.Addr) })
	// The key of a page is text that must sort like the address.
	key := func(l dhcp.Lease) string { b := l.Addr.As16(); return hex.EncodeToString(b[:]) }
	leases, err := paging.Page(in.Input, paging.Values(all), key, func(l dhcp.Lease, q string) bool {
		return contains(q, l.Addr.String(), l.Hostname, l.Vendor, l.VendorClass) || containsMAC(q, l.MAC)
	})
	if err != nil {
		return nil, err
	}
	out := &listOutput[client.Lease]{}
	out.Body.NextCursor = leases.NextCursor
	out.Body.Items, err = s.publicLeases(leases.Items)
	return out, err
}

// ownSubnet parses an optional subnet, which the configuration must have.
func (s *core) ownSubnet(location, text string) (netip.Prefix, error) {
	subnet, err := parsePrefix(location, text)
	if err == nil && subnet.IsValid() && !slices.ContainsFunc(s.Subnets(), func(n client.Subnet) bool { return n.Subnet == subnet }) {
		err = problem.Field(location, text, "is not a subnet of the configuration: "+s.subnetNames())
	}
	return subnet, err
}

// subnetNames lists the subnets of the configuration for a message.
func (s *core) subnetNames() string {
	var names []string
	for _, n := range s.Subnets() {
		names = append(names, n.Subnet.String())
	}
	if names == nil {
		return "there is none"
	}
	return strings.Join(names, ", ")
}

func (s network) deleteLease(ctx context.Context, text string) error {
	addr, err := parseIP("path.ip", text)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Leases.All(), func(l dhcp.Lease) bool { return l.Addr == addr }) {
		return huma.Error404NotFound(fmt.Sprintf("lease %s: %v", addr, fleet.ErrNotFound))
	}
	if err := s.Leases.Delete(ctx, addr); err != nil {
		return problem.From(err)
	}
	return problem.From(s.note(ctx, "delete lease "+addr.String(), "lease", addr.String(), "deleted"))
}
