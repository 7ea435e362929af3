package reassign_test

import (
	"testing"

	"plugtone/provision/reassign"
)

func TestRangesOfExtensionsAreReadAndRefused(t *testing.T) {
	for text, want := range map[string]bool{
		"1001-1040": true, "7-7": true, "001-010": true,
		"1040-1001": false, "9-10": false, "1001": false, "a-b": false, "-5": false, "1-": false, "1001-1040@main": false, "": false,
	} {
		if low, high, ok := reassign.ParseRange(text); ok != want || ok && low+"-"+high != text {
			t.Errorf("%q: %q to %q, %v; want %v", text, low, high, ok, want)
		}
	}
}
