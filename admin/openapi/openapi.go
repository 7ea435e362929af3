// Package openapi completes the OpenAPI document of the admin API: what the types of the operations do not express. These are the general
// information, the tags, the texts of the operations and their error responses. It changes no answer of the API.
package openapi

import (
	"iter"

	"github.com/danielgtaylor/huma/v2"
)

// Info returns the general information of the document.
func Info(version string) *huma.Info {
	return &huma.Info{
		Title: "plugtone", Version: version,
		Description: "Devices, extensions, leases and what happened to each phone. Errors are RFC 9457 problem documents. " +
			"Secrets are left out, and *** replaces vendor settings that may be secrets: written back, it keeps the value.",
		Contact: &huma.Contact{Name: "the plugtone authors"},
		License: &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"},
	}
}

// tags are the groups of operations, in the order of the document.
var tags = []*huma.Tag{
	{Name: "devices", Description: "Records of phones, their files, their history and what happened to them."},
	{Name: "extensions", Description: "SIP accounts that phones register."},
	{Name: "registrars", Description: "SIP servers that phones register with."},
	{Name: "profiles", Description: "Keys, contacts and settings that devices share."},
	{Name: "fleet", Description: "Many records at once: apply and export."},
	{Name: "changes", Description: "What was changed, by whom and what for; undo."},
	{Name: "discovered", Description: "Phones that were seen on the network and have no device record."},
	{Name: "resync", Description: "Making phones fetch their files again, and the jobs that do it."},
	{Name: "pbx", Description: "PBXs that extensions are read from."},
	{Name: "explain", Description: "Dry runs of DHCP and of file requests."},
	{Name: "network", Description: "Subnets and leases."},
	{Name: "trust", Description: "Enrollment windows, in which files need no proof, and the phones' own HTTP credentials."},
	{Name: "vendors", Description: "Vendor packs: which models there are and what they can do."},
	{Name: "tokens", Description: "Bearer tokens of this API."},
	{Name: "operation", Description: "State of the daemon: status, events, audit log, reload and backup."},
}

// Complete adds to a document, whose operations are registered, what their types do not express.
func Complete(doc *huma.OpenAPI) {
	doc.Servers = []*huma.Server{{URL: "/", Description: "the daemon that serves this document"}}
	doc.Tags = tags
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token made by plugtone token add. Over the unix socket none is needed."},
	}
	doc.Components.Responses = problems()
	for o := range operations(doc) {
		text := texts[o.OperationID]
		if text.description != "" {
			o.Description = text.description + " " + o.Description
		}
		addProblems(o, text)
	}
	for _, s := range doc.Components.Schemas.Map() {
		for _, p := range s.Properties {
			// A word of huma, not of JSON Schema. The messages that it gives were made when the schema was.
			p.PatternDescription = ""
		}
	}
}

// operations yields the operations of a document.
func operations(doc *huma.OpenAPI) iter.Seq[*huma.Operation] {
	return func(yield func(*huma.Operation) bool) {
		for _, item := range doc.Paths {
			for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
				if o != nil && !yield(o) {
					return
				}
			}
		}
	}
}
