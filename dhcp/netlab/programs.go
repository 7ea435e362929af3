package netlab

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Missing skips a test that lacks something of this machine. With PLUGTONE_REQUIRE_E2E=1, where nothing may be skipped, the test fails.
func Missing(t TB, err error) {
	t.Helper()
	if os.Getenv("PLUGTONE_REQUIRE_E2E") == "1" {
		t.Fatalf("PLUGTONE_REQUIRE_E2E=1: %v", err)
	} else {
		t.Skipf("SKIPPED: %v", err)
	}
}

// RequirePrograms is Missing where one of the programs is not installed; each may be followed by its Debian package ("dhclient=isc-dhcp-client").
func RequirePrograms(t TB, programs ...string) {
	t.Helper()
	if err := checkInstalled(programs); err != nil {
		Missing(t, err)
	}
}

// checkInstalled returns which of the programs are not installed, each written "program" or "program=debian-package".
func checkInstalled(programs []string) error {
	var errs []error
	for _, p := range programs {
		name, pkg, ok := strings.Cut(p, "=")
		if !ok {
			pkg = name
		}
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, fmt.Errorf("%s is not installed (Debian package %s)", name, pkg))
		}
	}
	return errors.Join(errs...)
}

// AtOnce sets how many parallel tests of a package run at once. It is for tests that wait for other programs or for timeouts most of the time:
// otherwise there are as many as processors. TestMain calls it before it runs the tests; the flag -parallel has precedence.
func AtOnce(tests int) {
	if err := flag.Set("test.parallel", strconv.Itoa(tests)); err != nil {
		panic(err) // the program is not a test
	}
}
