// Package filename checks the names that are requested of the file servers.
package filename

import (
	"fmt"
)

// Problem returns why a name from the network cannot be that of a file, "" when it can: it may be at most most bytes long,
// without control characters.
func Problem(name string, most int) string {
	if len(name) > most {
		return fmt.Sprintf("the name is longer than %d bytes", most)
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			return "the name holds a control character"
		}
	}
	return ""
}
