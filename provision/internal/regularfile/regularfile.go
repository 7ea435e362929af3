// Package regularfile opens regular files below a folder, and nothing else: no pipes, devices or folders.
package regularfile

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

var errNotRegular = errors.New("not a regular file")

// Open opens a regular file for reading.
func Open(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	// Stat comes first: opening a pipe would block until its other end is opened.
	info, err := root.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errNotRegular
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, info, nil
}

// IsAbsent reports whether an error of Open means that there is no such file, as opposed to a failing disk. What os.Root
// refuses, such as a link that leads out of the folder, is absent.
func IsAbsent(err error) bool {
	if errors.Is(err, fs.ErrPermission) {
		return false
	}
	var p *fs.PathError
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) || errors.As(err, &p) && isBadName(p)
}

// isBadName reports whether the error is about the name itself: it leads out of the folder, through a file, or is too long.
func isBadName(p *fs.PathError) bool {
	text := p.Err.Error()
	for _, s := range []string{"escapes", "not a directory", "name too long", "too many levels", "invalid"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
