package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/provision/pack"
)

// vendors has the operations on vendor packs.
type vendors struct{ *core }

func (s vendors) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/vendors", "list-vendors", "vendors", "List vendor packs and their models", access.Viewer),
		func(context.Context, *struct{}) (*itemsOutput[client.Vendor], error) {
			var list []client.Vendor
			for _, v := range s.Packs().Vendors() {
				d := v.Describe()
				list = append(list, client.Vendor{Vendor: d.Vendor, Name: d.Name, Aliases: d.Aliases, Experimental: d.Experimental,
					Recognises: d.Recognises, Models: d.Models})
			}
			return items(list), nil
		})
	huma.Register(s.api, access.Op(http.MethodGet, "/vendors/{vendor}", "get-vendor", "vendors", "Read a vendor pack", access.Viewer),
		func(_ context.Context, in *struct {
			Vendor string `path:"vendor" doc:"id or alias of the vendor" example:"yealink"`
		}) (*struct{ Body pack.Description }, error) {
			v, err := s.Packs().FindVendor(in.Vendor)
			if err != nil {
				return nil, huma.Error404NotFound(err.Error())
			}
			return &struct{ Body pack.Description }{v.Describe()}, nil
		})
}
