package api

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/document"
)

// BodyInput is the body of a write. huma does not decode it, because null and absent members differ.
type BodyInput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte
}

func (b *BodyInput) document() (document.Object, error) {
	return document.ReadBody(b.ContentType, b.RawBody)
}

// documentBody sets the type of an operation's BodyInput in the OpenAPI document. Call it after the operation is registered.
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
