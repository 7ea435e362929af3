package copies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/sealedfile"
	"plugtone/provision/uploads"
)

// Path is what the paths of all requests begin with.
const Path = "/copies/"

const (
	recentOf   = "/recent" // behind Path and the name of a subject
	allOf      = "/all"
	pathFile   = Path + "file"
	timeHeader = "Plugtone-Uploaded" // microseconds
)

// listed is an upload in an answer.
type listed struct {
	MAC  dhcp.MAC `json:"mac"`
	Key  string   `json:"key"`
	Time int64    `json:"time"` // Unix microseconds
}

// recent is the answer to a request for recent items.
type recent[T any] struct {
	Run   string `json:"run"`
	Next  uint64 `json:"next"`
	Lost  bool   `json:"lost,omitempty"` // read all
	Items []T    `json:"items,omitempty"`
}

// page is a part of the list of all items.
type page[T any] struct {
	Items []T    `json:"items,omitempty"`
	After string `json:"after,omitempty"` // where it goes on; "": there are no more
}

// subject is one kind of what is copied.
type subject[T any] struct {
	name    string
	journal *journal[T]
	all     func(after string) (page[T], error) // a part of all items that this member has; "" is the first one
	copy    func(ctx context.Context, from source, v T) error
	mac     func(T) dhcp.MAC
	text    func(T) string // names an item
}

// ServeHTTP answers another member.
func (x *Copies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.URL.Path {
	case Path + x.uploads.name + recentOf:
		err = serveRecent(x, x.uploads, w, r)
	case Path + x.fetches.name + recentOf:
		err = serveRecent(x, x.fetches, w, r)
	case Path + x.uploads.name + allOf:
		err = serveAll(x, x.uploads, w, r)
	case Path + x.fetches.name + allOf:
		err = serveAll(x, x.fetches, w, r)
	case pathFile:
		err = x.serveFile(w, r)
	default:
		problem.Write(w, http.StatusNotFound, "there is no such list")
	}
	if err != nil {
		x.cfg.Log.Warn("what another member copies", "path", r.URL.Path, "err", err)
		problem.Write(w, http.StatusInternalServerError, "it can't be read; the log has the reason")
	}
}

// serveRecent answers with the items since a position. It waits until there are some.
func serveRecent[T any](x *Copies, s *subject[T], w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	number, _ := strconv.ParseUint(q.Get("next"), 10, 64) // one that is no number is position 0
	items, next, lost, more := s.journal.since(q.Get("run"), number)
	if len(items) == 0 && !lost {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(2 * pollTime)) // else the server ends the request before
		timeout := time.NewTimer(pollTime)
		defer timeout.Stop()
		select {
		case <-more:
			items, next, lost, _ = s.journal.since(q.Get("run"), number)
		case <-timeout.C:
		case <-r.Context().Done():
			return nil
		}
	}
	items, err := recorded(x, s, items)
	if err != nil {
		return err
	}
	send(w, recent[T]{Run: s.journal.run, Next: next, Lost: lost, Items: items})
	return nil
}

// recorded returns the items of phones that have a device record.
func recorded[T any](x *Copies, s *subject[T], items []T) (out []T, err error) {
	for _, v := range items {
		ok, err := x.cfg.Recorded(s.mac(v))
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, v)
		}
	}
	return out, nil
}

// serveAll answers with the items after a place.
func serveAll[T any](x *Copies, s *subject[T], w http.ResponseWriter, r *http.Request) error {
	out, err := s.all(r.URL.Query().Get("after"))
	if errors.Is(err, errAfter) {
		problem.Write(w, http.StatusBadRequest, err.Error())
		return nil
	}
	if err == nil {
		out.Items, err = recorded(x, s, out.Items)
	}
	if err != nil {
		return err
	}
	send(w, out)
	return nil
}

// errAfter is the error of a place that a list can't go on after.
var errAfter = errors.New("the list can't go on there")

// allUploads returns the files of the phones after one, given in hexadecimal.
func (x *Copies) allUploads(after string) (out page[listed], err error) {
	var last dhcp.MAC
	if after != "" {
		if last, err = dhcp.ParseMAC(after); err != nil {
			return out, fmt.Errorf("%w: %w", errAfter, err)
		}
	}
	phones, err := x.cfg.Uploads.Phones(last, pageItems)
	if err != nil {
		return out, err
	}
	for i, mac := range phones {
		files, err := x.cfg.Uploads.Files(mac)
		if err != nil {
			return out, err
		}
		for _, f := range files {
			out.Items = append(out.Items, listed{f.MAC, f.Key, f.Time.UnixMicro()})
		}
		if len(out.Items) >= pageItems || i == pageItems-1 {
			out.After = mac.Hex()
			break
		}
	}
	return out, nil
}

func send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	deadline(w)
	_ = json.NewEncoder(w).Encode(v) // the other member has gone away
}

// deadline lets the next bytes of an answer take answerTime.
func deadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // else that of the server holds
}

// serveFile answers with a file, or with 304 when the other member has the same bytes.
func (x *Copies) serveFile(w http.ResponseWriter, r *http.Request) error {
	mac, err := dhcp.ParseMAC(r.URL.Query().Get("mac"))
	if err != nil {
		problem.Write(w, http.StatusBadRequest, err.Error())
		return nil
	}
	known, err := x.cfg.Recorded(mac)
	if err != nil {
		return err
	}
	f, file, err := x.cfg.Uploads.OpenKey(mac, r.URL.Query().Get("key"))
	switch {
	case !known || errors.Is(err, fs.ErrNotExist) || errors.Is(err, uploads.ErrNotCopied):
		if err == nil {
			_ = f.Close() // nothing was read of it
		}
		problem.Write(w, http.StatusNotFound, "there is no such file")
		return nil
	case err != nil:
		return err
	}
	defer f.Close()
	w.Header().Set(timeHeader, strconv.FormatInt(file.Time.UnixMicro(), 10))
	if theirs := r.Header.Get("If-None-Match"); theirs != "" {
		ours, err := digest(f)
		if err != nil {
			return err
		}
		if ours == theirs {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(f.Size(), 10))
	buf := make([]byte, 32<<10)
	for {
		deadline(w)
		n, err := io.CopyBuffer(w, io.LimitReader(f, int64(len(buf))), buf)
		if errors.Is(err, sealedfile.ErrDamaged) {
			x.cfg.Log.Warn("an upload can't be read for another member", "mac", mac, "file", file.Key, "err", err)
		}
		if err != nil || n == 0 {
			return nil // the length shows the other member that it is not whole
		}
	}
}

// digest returns the SHA-256 of a file as an entity tag.
func digest(f *sealedfile.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return `"` + hex.EncodeToString(sum.Sum(nil)) + `"`, nil
}
