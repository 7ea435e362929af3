package store

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
)

// leftovers are the patterns of what a killed process leaves unfinished: copies of files and unpacked backups, with secrets, and keys.
func leftovers() []string {
	return []string{".restore-*", ".tmp-*", "*.db.new", "backups/.tmp-*", "backups/.backup-*", "tls/.new-*"}
}

// removeLeftovers removes what killed processes left in a data directory. Its files or the directory itself must be locked: then no other
// process is writing one.
func removeLeftovers(dir string, log *slog.Logger) error {
	var errs []error
	for _, pattern := range leftovers() {
		left, err := filepath.Glob(filepath.Join(dir, pattern))
		errs = append(errs, err)
		for _, path := range left {
			log.Warn("removed what a killed plugtone left unfinished", "path", path)
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}
