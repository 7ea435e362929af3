// Package docs holds the documents for people. The program embeds those that are also manual pages.
package docs

import _ "embed"

// Configuration is the description of plugtone.yaml, in Markdown.
//
//go:embed configuration.md
var Configuration []byte
