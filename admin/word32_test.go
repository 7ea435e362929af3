package admin_test

import (
	"regexp"
	"testing"
)

// On a 32-bit machine an example or a default beyond 31 bits ends the daemon while it makes the API: huma reads it as an int.
func TestNumbersOfTheAPIFitInto31Bits(t *testing.T) {
	body := newAPI(t).as("", "GET /openapi.json", "").body
	if found := regexp.MustCompile(`"(?:examples":\s*\[|example":|default":)\s*-?[0-9]{10,}`).FindAllString(body, -1); len(found) > 0 {
		t.Errorf("%q", found)
	}
}
