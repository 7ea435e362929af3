// Command image writes an OCI image that holds the program alone, from scratch: no Docker, no base image, the same bytes from the same program.
package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	program := flag.String("program", "bin/plugtone", "the program, linked statically")
	config := flag.String("config", "packaging/plugtone.yaml", "its default configuration")
	out := flag.String("o", "bin/plugtone-image.tar", "the image: an archive of an OCI image layout, as podman load and docker load (25 and later) read it")
	tag := flag.String("tag", "plugtone:latest", "name of the image")
	flag.Parse()
	if err := run(*program, *config, *out, *tag); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(program, config, out, tag string) error {
	arch, err := architecture(program)
	if err != nil {
		return err
	}
	layer, err := layerOf(program, config)
	if err != nil {
		return err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", arch.name
	file.Variant = arch.variant
	file.Created = v1.Time{Time: time.Unix(0, 0)}
	file.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/plugtone"}, Cmd: []string{"serve"},
		Env:          []string{"PATH=/usr/bin", "GOGC=200", "GOMEMLIMIT=144MiB"},
		Volumes:      map[string]struct{}{"/var/lib/plugtone": {}, "/etc/plugtone": {}},
		ExposedPorts: map[string]struct{}{"67/udp": {}, "69/udp": {}, "80/tcp": {}},
		StopSignal:   "SIGTERM",
	}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return err
	}
	return write(image, tag, out)
}

// write writes an image as an archive of an OCI image layout.
func write(image v1.Image, tag, out string) error {
	dir, err := os.MkdirTemp("", "plugtone-image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	names := map[string]string{"org.opencontainers.image.ref.name": tag}
	if err := path.AppendImage(image, layout.WithAnnotations(names)); err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return addFile(w, rel, name, 0o644)
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// addFile adds the file from to an archive as path.
func addFile(w *tar.Writer, path, from string, mode int64) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(data)), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// platform is an architecture as OCI names it.
type platform struct{ name, variant string }

// architecture reads a program's architecture. A program that needs a dynamic linker is an error, for the image has none.
func architecture(program string) (platform, error) {
	f, err := elf.Open(program)
	if err != nil {
		return platform{}, fmt.Errorf("%s: %w; run make build first", program, err)
	}
	defer f.Close()
	if f.Section(".interp") != nil {
		return platform{}, fmt.Errorf("%s is linked dynamically; run make build", program)
	}
	known := map[elf.Machine]platform{elf.EM_X86_64: {"amd64", ""}, elf.EM_AARCH64: {"arm64", "v8"}, elf.EM_ARM: {"arm", "v7"}}
	p, ok := known[f.Machine]
	if !ok {
		return platform{}, fmt.Errorf("%s is for %s; images are made for amd64, arm64 and armv7", program, f.Machine)
	}
	return p, nil
}

// layerOf returns a layer with the program, its configuration and the folders that the daemon writes to.
func layerOf(program, config string) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, dir := range []string{"etc", "etc/plugtone", "etc/plugtone/vendors", "run", "run/plugtone", "tmp", "usr", "usr/bin", "var", "var/lib", "var/lib/plugtone"} {
		mode := int64(0o755)
		if dir == "tmp" {
			mode = 0o1777
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode, ModTime: time.Unix(0, 0)}); err != nil {
			return nil, err
		}
	}
	if err := addFile(w, "etc/plugtone/plugtone.yaml", config, 0o644); err != nil {
		return nil, err
	}
	if err := addFile(w, "usr/bin/plugtone", program, 0o755); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, tarball.WithMediaType(types.OCILayer))
}
