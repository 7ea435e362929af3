// Package vendors holds the vendor packs that are built in: one folder of data each, no Go. README.md is the manual of
// the format.
package vendors

import "embed"

// FS holds the packs, one folder per vendor, and oui.csv, the MAC prefixes of phone vendors.
//
//go:generate go run ./ouigen
//go:embed */vendor.yaml */*.tmpl oui.csv
var FS embed.FS
