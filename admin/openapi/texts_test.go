package openapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/admin/openapi"
)

// texts.go describes operations that there are: an entry of one that was renamed or removed is stale.
func TestEveryTextIsOfAnOperation(t *testing.T) {
	r := httptest.NewRecorder()
	admintest.New(t).Server(t).Handler().ServeHTTP(r, httptest.NewRequest(http.MethodGet, "http://localhost/openapi.json", nil))
	var doc struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal(r.Body.Bytes(), &doc); err != nil || len(doc.Paths) < 20 {
		t.Fatalf("%d paths, %v", len(doc.Paths), err)
	}
	there := map[string]bool{}
	for _, methods := range doc.Paths {
		for _, o := range methods {
			there[o.OperationID] = true
		}
	}
	for _, id := range openapi.TextIDs() {
		if !there[id] {
			t.Errorf("texts.go describes %s, and there is no such operation", id)
		}
	}
}
