package dbfile

import "golang.org/x/sys/unix"

// Place recognises a file: its path leads to the same inode as when it was opened.
type Place struct {
	path     string
	dev, ino uint64
}

// PlaceOf returns the place of an open file.
func PlaceOf(path string) (p Place, err error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return p, err
	}
	return Place{path, uint64(st.Dev), st.Ino}, nil
}

// Check returns ErrReplaced when the path leads to another file, or nowhere.
func (p Place) Check() error {
	var st unix.Stat_t
	if unix.Stat(p.path, &st) != nil || uint64(st.Dev) != p.dev || st.Ino != p.ino {
		return ErrReplaced
	}
	return nil
}
