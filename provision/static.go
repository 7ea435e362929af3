package provision

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/internal/regularfile"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
)

// static serves what lies in the files folder: the vendor's own folder first, then the name as it is. The name's last
// part keeps the kind that a pack gives it wherever the bytes lie, so that an old tftpboot tree that somebody copied
// there doesn't hand out configurations or firmware.
func (q *inquiry) static(name string) {
	q.answer.Kind = string(pack.KindStatic)
	if i := strings.LastIndexByte(name, '/'); i >= 0 && (q.match == nil || q.match.Kind == pack.KindStatic) {
		for _, m := range q.packs.Resolve(name[i+1:]) {
			if m.Kind == pack.KindDevice || m.Kind == pack.KindPrivate || m.Kind == pack.KindUpload {
				q.answer.Kind = string(m.Kind)
				q.notFound("%s is a %s file of %s and never served from a folder", name, m.Kind, m.Vendor)
				return
			}
			if m.Kind == pack.KindFirmware {
				q.match = &m
				q.firmware()
				return
			}
		}
	}
	q.open(name)
}

// firmware serves what a phone would install on sight, when its own settings name the file.
func (q *inquiry) firmware() {
	q.answer.Kind = string(pack.KindFirmware)
	name := q.answer.Name
	if !q.verdict.Proven || q.device == nil {
		q.notFound("firmware %s is only for devices whose firmware setting names it; %s", name, q.verdict.Reason)
		return
	}
	settings, err := q.settings()
	if err != nil {
		q.fault(err)
		return
	}
	named, _ := settings["firmware"].([]string)
	if !slices.Contains(named, path.Base(name)) {
		q.notFound("the device's firmware setting does not name %s", path.Base(name))
		return
	}
	q.open(name)
}

// settings are what the device's file would be rendered from, of all settings. The leases are asked before the records are opened,
// never meanwhile: their table reads records under its own lock.
func (q *inquiry) settings() (settings map[string]any, err error) {
	subnet, _ := q.s.subnetFor(q.site, q.device.MAC, q.device)
	err = q.s.c.Records.View(func(f fleet.View) error {
		settings, err = resolve.Settings(f, q.packs, q.site, subnet, q.device)
		return err
	})
	return settings, err
}

// open looks a file up and answers with it.
func (q *inquiry) open(name string) {
	root := q.s.c.Files
	if root == nil {
		q.absent(name)
		return
	}
	places := []string{name}
	if v := q.answer.Vendor; v != "" {
		places = []string{v + "/" + name, name}
	}
	for _, place := range places {
		f, info, err := regularfile.Open(root, place)
		switch {
		case err == nil:
			q.serveFile(f, info, place)
			return
		case !regularfile.IsAbsent(err):
			q.fault(fmt.Errorf("%w: files/%s: %w", fleet.ErrInternal, place, err))
			return
		}
	}
	q.absent(name)
}

// absent answers a name that nothing lies under. What a pack says its phones ask for on the chance that it is there is
// asked for in vain by design.
func (q *inquiry) absent(name string) {
	if q.match == nil {
		q.notFound("no pack knows %s, and it is not in the files folder", name)
		return
	}
	q.notFound("%s is not in the files folder; phones ask for it as %s", name, q.because())
	if q.match.Kind == pack.KindStatic {
		q.answer.Outcome = Expected404
	}
}

// serveFile answers with an open file. Its bytes aren't read for the ETag: a large file has a name, a size and a time.
func (q *inquiry) serveFile(f *os.File, info fs.FileInfo, place string) {
	a := &q.answer
	a.Outcome, a.Reason = Served, "files/"+place
	a.Content, a.Size, a.MediaType = f, info.Size(), mediaType(place)
	a.ETag = etag(digestOf(fmt.Appendf(nil, "%s\x00%d\x00%d", place, info.Size(), info.ModTime().UnixNano())))
}

// mediaType goes by the name alone: the machine's own table would make the answer depend on the machine.
func mediaType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".xml":
		return "application/xml"
	case ".txt", ".cfg", ".conf", ".ini", ".lang":
		return "text/plain; charset=utf-8"
	case ".htm", ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png":
		return "image/png"
	case ".bmp":
		return "image/bmp"
	case ".wav":
		return "audio/wav"
	}
	return "application/octet-stream"
}
