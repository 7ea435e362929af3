// Package encrypt encrypts, after the start, what an earlier version stored in clear beside the records: what phones have uploaded, and the
// last answers of PBXs. So it does what was encrypted with an older key.
package encrypt

import (
	"context"
	"log/slog"
)

// Folder is a folder of the data directory. Seal returns how many files it has encrypted.
type Folder struct {
	Name string
	Seal func(context.Context) (int, error)
}

// Config is what Run needs. All members must be set.
type Config struct {
	Folders []Folder
	Log     *slog.Logger
}

// Run encrypts the files of one folder after the other, and then waits until ctx ends. It is a task of the daemon.
func (c Config) Run(ctx context.Context, ready func()) error {
	ready()
	for _, f := range c.Folders {
		n, err := f.Seal(ctx)
		if n > 0 {
			c.Log.Info("encrypted files with the key of the records", "folder", f.Name, "files", n)
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Error("files can't be encrypted", "folder", f.Name, "err", err)
		}
	}
	<-ctx.Done()
	return nil
}
