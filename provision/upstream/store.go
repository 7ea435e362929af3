package upstream

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/sealedfile"
)

const (
	// filesPerPhone is how many answers are stored for one phone; the oldest gives way.
	filesPerPhone = 32
	// maxStored is how many bytes all answers take.
	maxStored = 1 << 30
)

// store keeps the last answers as files, one folder for each phone. They hold passwords: only the daemon's user may read them. Each
// begins with a line of JSON, and its time is that of the last answer with these bytes.
type store struct {
	dir     *os.Root
	cipher  sealedfile.Cipher
	writing *sync.RWMutex // held to write while all files are encrypted again, else to read
}

// FolderName is the name of the folder in a data directory.
const FolderName = "upstream"

// Seal encrypts the answers that earlier versions stored in clear, or that were encrypted with an older key, and returns how many.
func (c *Client) Seal(ctx context.Context) (int, error) {
	if c.last.dir == nil || c.last.cipher == nil {
		return 0, nil
	}
	return sealedfile.ResealAll(ctx, c.last.dir, FolderName, c.last.cipher, func(string) func() {
		c.last.writing.Lock()
		return c.last.writing.Unlock
	})
}

// stored is the first line of a file.
type stored struct {
	Name      string `json:"name"`
	URL       string `json:"url"`
	PBX       string `json:"pbx"`
	MediaType string `json:"media_type,omitempty"`
	Digest    string `json:"digest"`
}

// path returns the folder of a phone and the file within. Phones differ in the case of names between firmwares.
func (store) path(mac dhcp.MAC, name string) (dir, file string) {
	return mac.Hex(), mac.Hex() + "/" + digestOf([]byte(strings.ToLower(name)))[:32]
}

// put stores an answer. The one before it stays whole until the new one is on disk.
func (s store) put(mac dhcp.MAC, name, url string, a Answer) error {
	if s.dir == nil {
		return nil
	}
	s.writing.RLock()
	defer s.writing.RUnlock()
	dir, file := s.path(mac, name)
	if old, at, err := s.read(file); err == nil && old.Digest == a.Digest && old.URL == url && old.MediaType == a.MediaType {
		if !at.Before(a.Time) {
			return nil
		}
		return s.dir.Chtimes(file, a.Time, a.Time)
	}
	if err := s.dir.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	head, err := json.Marshal(stored{Name: name, URL: url, PBX: a.PBX, MediaType: a.MediaType, Digest: a.Digest})
	if err != nil {
		return err
	}
	part := dir + "/part-" + rand.Text()
	if err = s.write(part, sealedfile.Place(FolderName, file), append(append(head, '\n'), a.Body...), a.Time); err == nil {
		err = s.dir.Rename(part, file)
	}
	if err != nil {
		return errors.Join(err, s.dir.Remove(part))
	}
	return s.limit(dir)
}

func (s store) write(file, place string, data []byte, at time.Time) error {
	f, err := s.dir.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := sealedfile.NewWriter(f, place, s.cipher)
	if _, err = w.Write(data); err == nil {
		err = errors.Join(w.Close(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.dir.Chtimes(file, at, at)
}

// limit removes the oldest answers of a phone that has too many.
func (s store) limit(dir string) error {
	files, err := s.files(dir)
	if err != nil || len(files) <= filesPerPhone {
		return err
	}
	for _, f := range files[:len(files)-filesPerPhone] {
		err = errors.Join(err, s.dir.Remove(f.path))
	}
	return err
}

// read reads the first line of a file, and its time.
func (s store) read(file string) (head stored, at time.Time, err error) {
	head, _, at, err = s.readAll(file)
	return head, at, err
}

func (s store) readAll(file string) (head stored, body []byte, at time.Time, err error) {
	f, err := s.dir.Open(file)
	if err != nil {
		return head, nil, at, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return head, nil, at, err
	}
	r, err := sealedfile.NewReader(f, info.Size(), sealedfile.Place(FolderName, file), s.cipher)
	if err != nil {
		return head, nil, at, err
	}
	all, err := io.ReadAll(r)
	if err != nil {
		return head, nil, at, err
	}
	line, body, _ := bytes.Cut(all, []byte{'\n'})
	if err := json.Unmarshal(line, &head); err != nil {
		return head, nil, at, fmt.Errorf("%s is damaged: %w", file, err)
	}
	if digestOf(body) != head.Digest {
		return head, nil, at, fmt.Errorf("%s is damaged: its bytes are not those that were stored", file)
	}
	return head, body, info.ModTime().UTC(), nil
}

// get returns the stored answer of one of the PBXs.
func (s store) get(mac dhcp.MAC, name string, urls []string) (Answer, error) {
	if s.dir == nil {
		return Answer{}, os.ErrNotExist
	}
	_, file := s.path(mac, name)
	head, body, at, err := s.readAll(file)
	if err != nil {
		return Answer{}, err
	}
	if !slices.Contains(urls, head.URL) { // of a PBX that the phone has no more
		return Answer{}, os.ErrNotExist
	}
	return Answer{Outcome: Last, PBX: head.PBX, Time: at, Body: body, MediaType: head.MediaType, Digest: head.Digest}, nil
}

// remove removes the answer for a file, if there is one.
func (s store) remove(mac dhcp.MAC, name string) error {
	if s.dir == nil {
		return nil
	}
	_, file := s.path(mac, name)
	if err := s.dir.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// storedFile is a file with what decides whether it stays.
type storedFile struct {
	path string
	size int64
	at   time.Time
}

// files lists the files of a phone, the oldest first. What a crash left half written is removed.
func (s store) files(dir string) (out []storedFile, err error) {
	entries, err := fs.ReadDir(s.dir.FS(), dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // it was removed meanwhile
		}
		out = append(out, storedFile{dir + "/" + e.Name(), info.Size(), info.ModTime()})
	}
	slices.SortFunc(out, func(a, b storedFile) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.path, b.path)) })
	return out, nil
}

// tidy removes the folders of phones for which keep returns false, what was never finished, and the oldest of too much.
func (s store) tidy(keep func(dhcp.MAC) bool) error {
	if s.dir == nil {
		return nil
	}
	dirs, err := fs.ReadDir(s.dir.FS(), ".")
	if err != nil {
		return err
	}
	var all []storedFile
	var errs []error
	total := int64(0)
	for _, d := range dirs {
		mac, err := dhcp.ParseMAC(d.Name())
		if err != nil {
			continue // not ours
		}
		if !keep(mac) {
			errs = append(errs, s.dir.RemoveAll(d.Name()))
			continue
		}
		files, err := s.files(d.Name())
		errs = append(errs, err)
		for _, f := range files {
			total += f.size
		}
		all = append(all, files...)
	}
	slices.SortFunc(all, func(a, b storedFile) int { return a.at.Compare(b.at) })
	for _, f := range all {
		if total <= maxStored {
			break
		}
		total -= f.size
		errs = append(errs, s.dir.Remove(f.path))
	}
	return errors.Join(errs...)
}
