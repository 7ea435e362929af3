package openapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// problemTexts are the errors of the API by status: when each is answered.
var problemTexts = map[int]string{
	http.StatusBadRequest:            "The body is not one JSON object.",
	http.StatusUnauthorized:          "No valid token was sent.",
	http.StatusForbidden:             "The caller's role is too low.",
	http.StatusNotFound:              "No such record, phone or name.",
	http.StatusPreconditionFailed:    "If-Match or If-None-Match does not fit the record; read it again.",
	http.StatusRequestEntityTooLarge: "The body is larger than 1 MiB.",
	http.StatusUnsupportedMediaType:  "The body has another content type than JSON.",
	http.StatusUnprocessableEntity:   "Members or parameters are invalid; every one is named.",
	http.StatusInternalServerError:   "Internal error; the log has the details.",
	http.StatusServiceUnavailable:    "Internal error that may pass, such as a full disk; try again after Retry-After.",
}

// problems returns the error responses that operations refer to.
func problems() map[string]*huma.Response {
	out := map[string]*huma.Response{}
	for status, text := range problemTexts {
		out[problemName(status)] = problem(text)
	}
	return out
}

func problem(description string) *huma.Response {
	schema := &huma.Schema{Ref: "#/components/schemas/ErrorModel"}
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
}

// problemName returns the component of a status: NotFound.
func problemName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

// addProblems adds the error responses that an operation can have to it, and 304 where a read is conditional.
func addProblems(o *huma.Operation, text text) {
	statuses := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusInternalServerError,
		http.StatusServiceUnavailable}
	if slices.ContainsFunc(o.Parameters, func(p *huma.Param) bool { return p.In == "path" }) {
		statuses = append(statuses, http.StatusNotFound)
	}
	if hasHeader(o, "If-Match") {
		statuses = append(statuses, http.StatusPreconditionFailed)
	}
	if o.RequestBody != nil {
		statuses = append(statuses, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	delete(o.Responses, "default") // each status is named
	for _, status := range statuses {
		o.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + problemName(status)}
	}
	if text.conflict != "" {
		o.Responses[strconv.Itoa(http.StatusConflict)] = problem(text.conflict)
	}
	if o.Method == http.MethodGet && hasHeader(o, "If-None-Match") {
		o.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: "The record still has the ETag of If-None-Match."}
	}
}

func hasHeader(o *huma.Operation, name string) bool {
	return slices.ContainsFunc(o.Parameters, func(p *huma.Param) bool { return p.In == "header" && p.Name == name })
}
