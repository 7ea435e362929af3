package powerloss

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp/netlab"
)

const childVar = "PLUGTONE_POWERLOSS_CHILD"

func TestMain(m *testing.M) {
	if part := os.Getenv(childVar); part != "" {
		if err := programs()[part](os.Args[len(os.Args)-1]); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// programs are what is recorded. Each writes "old" to a file first, durably, and has "new" in its place at the end.
func programs() map[string]func(dir string) error {
	path := func(dir, name string) string { return filepath.Join(dir, name) }
	syncPath := func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	}
	write := func(path, text string, sync bool) error {
		err := os.WriteFile(path, []byte(text), 0o600)
		if err == nil && sync {
			err = syncPath(path)
		}
		return err
	}
	ack := func() error { _, err := os.Stdout.WriteString("done\n"); return err }
	replace := func(syncFile, syncDir bool) func(string) error {
		return func(dir string) error {
			err := errors.Join(write(path(dir, "tmp"), strings.Repeat("new", 400), syncFile), os.Rename(path(dir, "tmp"), path(dir, "a")))
			if syncDir {
				err = errors.Join(err, syncPath(dir))
			}
			return errors.Join(err, ack())
		}
	}
	return map[string]func(string) error{
		"sound":         replace(true, true),
		"file unsynced": replace(false, true),
		"name unsynced": replace(true, false),
		"in place": func(dir string) error {
			return errors.Join(write(path(dir, "a"), strings.Repeat("new", 400), true), ack())
		},
	}
}

// outcomes returns what a program may leave in the file a, before and after its acknowledgement.
func outcomes(t *testing.T, program string) (before, after []string) {
	t.Helper()
	netlab.RequirePrograms(t, "strace")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVar+"="+program)
	trace, err := Record(dir, cmd)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	tried := [2]map[string]bool{{}, {}}
	for _, moment := range trace.Moments {
		for range 5 {
			for _, fate := range Fates() {
				at := t.TempDir()
				if err := trace.At(moment, fate, r).Write(at); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(filepath.Join(at, "a"))
				text := strings.ReplaceAll(string(b), "\x00", "0")
				switch {
				case err != nil:
					text = "missing"
				case text == strings.Repeat("new", 400):
					text = "new"
				case text != "old":
					text = "mixed"
				}
				tried[trace.Acked(moment)][text] = true
			}
		}
	}
	list := func(m map[string]bool) (all []string) {
		for text := range m {
			all = append(all, text)
		}
		slices.Sort(all)
		return all
	}
	return list(tried[0]), list(tried[1])
}

func TestWhatMayBeLeft(t *testing.T) {
	for program, want := range map[string][2]string{
		"sound":         {"new old", "new"},
		"file unsynced": {"mixed new old", "mixed new"},
		"name unsynced": {"new old", "new old"},
		"in place":      {"mixed new old", "new"},
	} {
		before, after := outcomes(t, program)
		if got := [2]string{strings.Join(before, " "), strings.Join(after, " ")}; got != want {
			t.Errorf("%s: %q, want %q", program, got, want)
		}
	}
}
