package regularfile

import (
	"path"
	"strings"
)

// MediaType depends on the name alone: the machine's own table would make the answer depend on the machine.
func MediaType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".xml":
		return "application/xml"
	case ".txt", ".cfg", ".conf", ".ini", ".lang":
		return "text/plain; charset=utf-8"
	case ".htm", ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png":
		return "image/png"
	case ".bmp":
		return "image/bmp"
	case ".wav":
		return "audio/wav"
	}
	return "application/octet-stream"
}
