package overrides

import (
	"bytes"
	"encoding/xml"
	"iter"
	"strings"

	"plugtone/provision/phonefile"
)

// parameter is one parameter of a file.
type parameter struct{ name, value string }

// parameters yields the parameters of a file, in its order, as far as it can be read.
func parameters(format string, text []byte) iter.Seq[parameter] {
	if format == phonefile.OverrideAttributes {
		return attributes(text)
	}
	return lines(text)
}

func attributes(text []byte) iter.Seq[parameter] {
	return func(yield func(parameter) bool) {
		d := xml.NewDecoder(bytes.NewReader(text))
		for depth := 0; ; {
			token, err := d.RawToken()
			if err != nil {
				return
			}
			switch t := token.(type) {
			case xml.EndElement:
				depth--
			case xml.StartElement:
				if depth++; depth == 1 {
					continue // its attributes are those of the document
				}
				for _, a := range t.Attr {
					name := a.Name.Local
					if a.Name.Space != "" {
						name = a.Name.Space + ":" + name
					}
					if !yield(parameter{name, a.Value}) {
						return
					}
				}
			}
		}
	}
}

func lines(text []byte) iter.Seq[parameter] {
	return func(yield func(parameter) bool) {
		section := ""
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			if name, ok := strings.CutPrefix(line, "["); ok {
				section = strings.TrimSpace(strings.TrimSuffix(name, "]")) + "/"
				continue
			}
			name, value, ok := strings.Cut(line, "=")
			if name = strings.TrimSpace(name); !ok || name == "" {
				continue
			}
			if !yield(parameter{section + name, strings.TrimSpace(value)}) {
				return
			}
		}
	}
}
