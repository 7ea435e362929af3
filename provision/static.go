package provision

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/internal/regularfile"
	"plugtone/provision/phonefile"
)

// static serves what is in the files folder: the vendor's own folder first, then the name as it is. The name's last part
// keeps the kind that a pack gives it wherever the file is, so that an old tftpboot tree that an operator copied there
// doesn't hand out configurations or firmware.
func (s producer) static(q *fileRequest, name string) product {
	own := *q
	q = &own
	q.file.kind = string(phonefile.KindStatic)
	if i := strings.LastIndexByte(name, '/'); i >= 0 && (q.file.match == nil || q.file.match.Kind == phonefile.KindStatic) {
		for _, m := range q.generation.packs.Resolve(name[i+1:]) {
			switch m.Kind {
			case phonefile.KindDevice, phonefile.KindPrivate, phonefile.KindUpload:
				q.file.kind = string(m.Kind)
				return q.notFound("%s is a %s file of %s and never served from a folder", name, m.Kind, m.Vendor)
			case phonefile.KindFirmware:
				if q.file.vendor != "" && q.file.vendor != m.Vendor {
					continue // no phone of this vendor installs it
				}
				q.file.match, q.file.kind = &m, string(m.Kind)
				return s.firmware(q)
			}
		}
	}
	return s.open(q, name)
}

// firmware serves what a phone would install on sight, when its own settings name the file.
func (s producer) firmware(q *fileRequest) product {
	name := q.name.Name
	if !q.auth.Proven || q.auth.device == nil {
		return q.notFound("firmware %s is only for devices whose firmware setting names it; %s", name, q.auth.Reason)
	}
	settings, err := s.settings(q)
	if err != nil {
		return q.internalError(err)
	}
	named, _ := settings["firmware"].([]string)
	if !slices.Contains(named, path.Base(name)) {
		return q.notFound("the device's firmware setting does not name %s", path.Base(name))
	}
	return s.open(q, name)
}

// open looks a file up in the files folder and answers with it.
func (s producer) open(q *fileRequest, name string) product {
	if s.files == nil {
		return q.absent(name)
	}
	places := []string{name}
	if v := q.file.vendor; v != "" {
		places = []string{v + "/" + name, name}
	}
	for _, place := range places {
		f, info, err := regularfile.Open(s.files, place)
		switch {
		case err == nil:
			return q.serveFile(f, info.Size(), info, "files/"+place)
		case !regularfile.IsAbsent(err):
			return q.internalError(fmt.Errorf("%w: files/%s: %w", fleet.ErrInternal, place, err))
		}
	}
	return q.absent(name)
}

// absent answers a name without a file. For a name that a pack declares as static it is the expected answer.
func (q *fileRequest) absent(name string) product {
	if q.file.match == nil {
		return q.notFound("no pack has %s, and it is not in the files folder", name)
	}
	p := q.notFound("%s is not in the files folder; phones request it as %s", name, q.file.describe())
	if q.file.match.Kind == phonefile.KindStatic {
		p.Outcome = Expected404
	}
	return p
}

// serveFile answers with an open file of that many bytes. The ETag is made of name, size and time: a large file isn't read for it.
func (q *fileRequest) serveFile(f io.ReadSeekCloser, size int64, info fs.FileInfo, place string) product {
	p := q.blank()
	p.Outcome, p.Reason = Served, place
	p.Content, p.Size, p.MediaType = f, size, regularfile.MediaType(place)
	p.ETag = etag(digestOf(fmt.Appendf(nil, "%s\x00%d\x00%d", place, size, info.ModTime().UnixNano())))
	return p
}
