package sealedfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// Reseal encrypts a file below root with the newest key, unless it is so already; it keeps its time. part is the name of a file that is
// used meanwhile and that no other uses. The file is there whole at every moment. A power loss leaves it as it was or as it is to be.
func Reseal(root *os.Root, folder, file, part string, cipher Cipher) (changed bool, err error) {
	from, err := root.Open(file)
	if err != nil {
		return false, err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	r, err := NewReader(from, info.Size(), Place(folder, file), cipher)
	if err != nil {
		return false, fmt.Errorf("%s: %w", file, err)
	}
	if r.Sealed() {
		first := make([]byte, Overhead)
		if _, err := from.ReadAt(first, int64(headerLen)); err != nil || cipher.Newest(first) {
			return false, err
		}
	}
	if err := write(root, part, r, Place(folder, file), cipher, info); err != nil {
		return false, errors.Join(fmt.Errorf("%s: %w", file, err), removed(root.Remove(part)))
	}
	if err := root.Rename(part, file); err != nil {
		return false, errors.Join(err, removed(root.Remove(part)))
	}
	dir, err := root.Open(path.Dir(file))
	if err != nil {
		return true, err
	}
	return true, errors.Join(dir.Sync(), dir.Close())
}

func removed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func write(root *os.Root, part string, r io.Reader, place string, cipher Cipher, info fs.FileInfo) error {
	to, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	w := NewWriter(to, place, cipher)
	_, err = io.Copy(w, r)
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return root.Chtimes(part, info.ModTime(), info.ModTime())
}

// ResealAll reseals the files in the folders below root, which is the folder of that name of the data directory. lock is called for each
// of them, and what it returns afterwards: meanwhile no other changes the files in it. It goes on after errors, and returns how many
// files it encrypted.
func ResealAll(ctx context.Context, root *os.Root, folder string, cipher Cipher, lock func(dir string) (unlock func())) (n int, err error) {
	dirs, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		if ctx.Err() != nil {
			return n, errors.Join(append(errs, ctx.Err())...)
		}
		unlock := lock(d.Name())
		changed, err := resealDir(root, folder, d.Name(), cipher)
		unlock()
		n += changed
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

func resealDir(root *os.Root, folder, dir string, cipher Cipher) (n int, err error) {
	files, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return 0, removed(err)
	}
	var errs []error
	for _, f := range files {
		if !f.Type().IsRegular() || f.Name()[0] == '.' {
			continue
		}
		changed, err := Reseal(root, folder, path.Join(dir, f.Name()), path.Join(dir, ".part-reseal"), cipher)
		if changed {
			n++
		}
		errs = append(errs, removed(err))
	}
	return n, errors.Join(errs...)
}
