package api

import (
	"net/http"
	"reflect"
	"slices"

	"plugtone/admin/document"

	"github.com/danielgtaylor/huma/v2"
)

// BodyInput is the body of a write. It is read here and not by huma: whether a member is null or absent matters.
type BodyInput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (b *BodyInput) document() (document.Object, error) {
	return document.ReadBody(b.ContentType, b.RawBody)
}

// documentBody says in the OpenAPI document what a BodyInput holds. Call it after the operation is registered.
func documentBody[T any](s *core, method, path string) {
	item := s.api.OpenAPI().Paths["/api/v1"+path]
	operation := item.Put
	media := []string{"application/json"}
	switch method {
	case http.MethodPost:
		operation = item.Post
	case http.MethodPatch:
		operation = item.Patch
		media = []string{"application/merge-patch+json", "application/json"}
	}
	t := reflect.TypeFor[T]()
	schema := s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
	operation.RequestBody.Content = map[string]*huma.MediaType{}
	for _, m := range media {
		operation.RequestBody.Content[m] = &huma.MediaType{Schema: schema}
	}
	operation.Parameters = slices.DeleteFunc(operation.Parameters, func(p *huma.Param) bool { return p.Name == "Content-Type" })
}
