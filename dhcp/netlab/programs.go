package netlab

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

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
