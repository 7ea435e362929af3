package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"plugtone/store/dbfile"
)

// markerName is a file that exists while plugtone is stopped: it has the digests of the files as they were left. A file that
// is another at the next start is examined, and so is one that was found damaged. After a crash there is no marker, and all are.
const markerName = "stopped.json"

func readMarker(dir string) map[string]uint64 {
	b, err := os.ReadFile(filepath.Join(dir, markerName))
	if err != nil {
		return nil
	}
	var digests map[string]uint64
	if json.Unmarshal(b, &digests) != nil {
		return nil
	}
	return digests
}

func removeMarker(dir string) error {
	err := os.Remove(filepath.Join(dir, markerName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return dbfile.SyncDir(dir) // else it could come back after the files have changed
}

func (s *Store) writeMarker() error {
	digests := map[string]uint64{}
	for name, f := range s.files {
		if f.Suspect() {
			continue
		}
		sum, err := dbfile.Digest(f.Path())
		if err != nil {
			return err
		}
		digests[name] = sum
	}
	b, err := json.Marshal(digests)
	if err != nil {
		return err
	}
	return dbfile.WriteDurably(s.path(markerName), func(w io.Writer) error { _, err := w.Write(b); return err })
}
