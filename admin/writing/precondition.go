package writing

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Precondition has the parameters that name the expected record of a write.
type Precondition struct {
	Input
	IfMatch     string `header:"If-Match" doc:"ETag of the record as it was read: 412 when it has changed since; * when it must exist" example:"\"17\""`
	IfNoneMatch string `header:"If-None-Match" doc:"* when the record must not exist yet, else 412" example:"*"`
}

// Met returns the answer 412 unless the precondition fits the record's revision; 0 is no record.
func (p Precondition) Met(noun string, rev uint64) error {
	if p.IfNoneMatch == "*" && rev != 0 {
		return huma.Error412PreconditionFailed(noun + " exists already")
	}
	switch {
	case p.IfMatch == "":
		return nil
	case rev == 0:
		return huma.Error412PreconditionFailed(noun + " does not exist (any more)")
	case p.IfMatch == "*":
		return nil
	}
	if MatchesTag(p.IfMatch, rev) {
		return nil
	}
	return huma.Error412PreconditionFailed(fmt.Sprintf("%s was changed meanwhile, to revision %d; read it again", noun, rev))
}

// MatchesTag reports whether a list of entity tags has that of a revision.
func MatchesTag(list string, rev uint64) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == Tag(rev) {
			return true
		}
	}
	return false
}

// Tag is the ETag of a record with a revision.
func Tag(rev uint64) string { return `"` + strconv.FormatUint(rev, 10) + `"` }
