// Package assets has the files that the admin page loads: its stylesheet and scripts, and htmx as its authors publish it (fetch.sh). They are
// served under an address that changes with their content, so that browsers may keep them.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed css/*.css js/*.js vendor/*.js icon.svg
var files embed.FS

// prefix is where the files are served, followed by a digest of them all: modules may then import each other by relative paths.
const prefix = "/assets/"

// Assets are the files with their address. They implement http.Handler.
type Assets struct {
	dir   string // prefix and digest
	files map[string]file
}

type file struct {
	kind         string
	plain, small []byte // small is compressed by gzip
}

// New reads the files. The style sheets become one, style.css, in the order of their names.
func New() (*Assets, error) {
	a := &Assets{files: map[string]file{}}
	var style bytes.Buffer
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if path.Dir(name) == "css" {
			style.Write(b)
			return nil
		}
		return a.add(path.Base(name), b)
	})
	if err == nil {
		err = a.add("style.css", style.Bytes())
	}
	a.dir = prefix + a.digest() + "/"
	return a, err
}

func (a *Assets) add(name string, b []byte) error {
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(b); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".js" { // the system's list of types may have another one
		kind = "text/javascript; charset=utf-8"
	}
	a.files[name] = file{kind, b, small.Bytes()}
	return nil
}

// digest returns a short digest of all files.
func (a *Assets) digest() string {
	h := sha256.New()
	var names []string
	for name := range a.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h.Write([]byte(name))
		h.Write(a.files[name].plain)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// URL returns the address of a file.
func (a *Assets) URL(name string) string { return a.dir + name }

// Pattern is the path of all files, as of http.ServeMux.
const Pattern = "GET " + prefix

// ServeHTTP answers with a file. It needs no session: the files are the same for all and contain no data.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, a.dir)
	f, found := a.files[name]
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.small
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
