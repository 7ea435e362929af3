package dbfile

import "golang.org/x/sys/unix"

// Place recognises a file: its path leads to the same inode as when it was opened.
type Place struct {
	path string
	inode
}

// inode identifies a file of this machine.
type inode struct {
	major, minor uint32 // of the device
	ino          uint64
}

// PlaceOf returns the place of an open file.
func PlaceOf(path string) (p Place, err error) {
	p.path = path
	p.inode, err = inodeOf(path)
	return p, err
}

// Check returns ErrReplaced when the path leads to another file, or nowhere.
func (p Place) Check() error {
	if now, err := inodeOf(p.path); err != nil || now != p.inode {
		return ErrReplaced
	}
	return nil
}

// inodeOf reads no times. After stat(2), which does, the next write would give the file a time of its own finer than the kernel's
// clock tick (Linux 6.13, multigrain timestamps), so that a synchronous write of each batch would write the inode as well.
func inodeOf(path string) (inode, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO, &st)
	return inode{st.Dev_major, st.Dev_minor, st.Ino}, err
}
