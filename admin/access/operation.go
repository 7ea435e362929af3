package access

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Limits of the body of a request.
const (
	maxBody     = 1 << 20 // bytes
	bodyTimeout = 30 * time.Second
)

// Op returns the description of an operation that needs a role.
func Op(method, path, id, tag, summary string, need Role) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{tag},
		Metadata: Need(need), Security: []map[string][]string{{"token": {}}},
		MaxBodyBytes: maxBody, BodyReadTimeout: bodyTimeout,
		Description: "Needs the role " + need.String() + ".",
	}
}
