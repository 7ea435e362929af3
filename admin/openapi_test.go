package admin_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// openAPI is what the tests read of the OpenAPI document.
type openAPI struct {
	OpenAPI string
	Servers []struct{ URL string }
	Info    struct {
		Contact, License struct{ Name string }
	}
	Tags []struct{ Name, Description string }
	// Paths is by path and method.
	Paths      map[string]map[string]openAPIOperation
	Components struct{ Schemas map[string]openAPISchema }
}

type openAPIOperation struct {
	Summary, OperationID, Description string
	Tags                              []string
	Parameters                        []struct{ Name, Description string }
	Responses                         map[string]any
}

type openAPISchema struct {
	Description          string
	Properties           map[string]openAPISchema
	Items                *openAPISchema
	AdditionalProperties json.RawMessage
}

func (a *api) openAPI() openAPI {
	a.t.Helper()
	var doc openAPI
	if err := json.Unmarshal([]byte(a.as("", "GET /openapi.json", "").body), &doc); err != nil {
		a.t.Fatal(err)
	}
	return doc
}

// TestOpenAPIDocument also writes the document to the file that OPENAPI_OUT names, for make lint-api.
func TestOpenAPIDocument(t *testing.T) {
	a := newAPI(t)
	if out := os.Getenv("OPENAPI_OUT"); out != "" {
		if err := os.WriteFile(out, []byte(a.as("", "GET /openapi.json", "").body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	doc := a.openAPI()
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Servers) == 0 || doc.Info.Contact.Name == "" || doc.Info.License.Name == "" {
		t.Errorf("version %q, servers %v, info %v", doc.OpenAPI, doc.Servers, doc.Info)
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	doc := newAPI(t).openAPI()
	tags := map[string]bool{} // whether an operation has it
	for _, tag := range doc.Tags {
		if tag.Description == "" {
			t.Errorf("tag %s has no description", tag.Name)
		}
		tags[tag.Name] = false
	}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			if o.Summary == "" || strings.HasPrefix(o.Description, "Needs the role") || !strings.Contains(o.Description, "Needs the role") {
				t.Errorf("%s %s: summary %q, description %q", method, path, o.Summary, o.Description)
			}
			if len(o.Tags) == 0 {
				t.Errorf("%s %s has no tags", method, path)
			}
			for _, tag := range o.Tags {
				if _, ok := tags[tag]; !ok {
					t.Errorf("%s %s: tag %s is not described", method, path, tag)
				}
				tags[tag] = true
			}
			for _, p := range o.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: parameter %s has no description", method, path, p.Name)
				}
			}
			for _, status := range []string{"401", "403", "422", "500", "503"} {
				if o.Responses[status] == nil {
					t.Errorf("%s %s: no response %s", method, path, status)
				}
			}
			if strings.Contains(path, "{") && o.Responses["404"] == nil {
				t.Errorf("%s %s: no response 404", method, path)
			}
		}
	}
	for tag, used := range tags {
		if !used {
			t.Errorf("no operation has the tag %s", tag)
		}
	}
}

func TestEveryMemberIsDescribed(t *testing.T) {
	for name, s := range newAPI(t).openAPI().Components.Schemas {
		described(t, name, s)
	}
}

// described reports members of a schema, and of the schemas within it, that have no description.
func described(t *testing.T, path string, s openAPISchema) {
	for name, p := range s.Properties {
		if p.Description == "" {
			t.Errorf("%s.%s has no description", path, name)
		}
		described(t, path+"."+name, p)
	}
	if s.Items != nil {
		described(t, path+"[]", *s.Items)
	}
	var values openAPISchema
	if json.Unmarshal(s.AdditionalProperties, &values) == nil {
		described(t, path+"{}", values)
	}
}
