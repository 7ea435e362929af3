package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"plugtone/dhcp/netlab"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The image has everything that the program needs: it runs with the image as its root folder.
func TestProgramRunsInTheImage(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "plugtone")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=9.8.7", "-o", program, "../../cmd/plugtone")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, second := filepath.Join(dir, "1.tar"), filepath.Join(dir, "2.tar")
	must(t, run(program, "../plugtone.yaml", first, "plugtone:latest"))
	must(t, run(program, "../plugtone.yaml", second, "plugtone:latest"))
	if a, b := readFile(t, first), readFile(t, second); !bytes.Equal(a, b) {
		t.Error("two images of one program differ")
	}
	unpacked := filepath.Join(dir, "layout")
	archive, err := os.Open(first)
	must(t, err)
	unpack(t, archive, unpacked)
	index, err := layout.ImageIndexFromPath(unpacked)
	must(t, err)
	manifest, err := index.IndexManifest()
	must(t, err)
	image, err := index.Image(manifest.Manifests[0].Digest)
	must(t, err)
	must(t, validate.Image(image))
	config, err := image.ConfigFile()
	must(t, err)
	if c := config.Config; strings.Join(append(c.Entrypoint, c.Cmd...), " ") != "/usr/bin/plugtone serve" || config.OS != "linux" {
		t.Errorf("the image runs %v %v on %s", c.Entrypoint, c.Cmd, config.OS)
	}
	if os.Getuid() != 0 {
		netlab.Missing(t, errors.New("only root can change the root folder"))
	}
	root := filepath.Join(dir, "root")
	unpack(t, mutate.Extract(image), root)
	for command, want := range map[string]string{"version": "plugtone 9.8.7", "check": "no problems"} {
		c := exec.Command("/usr/bin/plugtone", command)
		c.SysProcAttr, c.Dir = &syscall.SysProcAttr{Chroot: root}, "/"
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("plugtone %s: %v\n%s", command, err, out)
		}
	}
}

func TestProgramOfAnotherKindIsRefused(t *testing.T) {
	if err := run("main.go", "../plugtone.yaml", filepath.Join(t.TempDir(), "image.tar"), "plugtone:latest"); err == nil {
		t.Error("an image is made of a file that is no program")
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	return b
}

func unpack(t *testing.T, r io.ReadCloser, root string) {
	t.Helper()
	defer r.Close()
	for files := tar.NewReader(r); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		data, err := io.ReadAll(files)
		must(t, err)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, data, h.FileInfo().Mode()))
	}
}
