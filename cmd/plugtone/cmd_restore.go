package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"plugtone/store"
	"plugtone/store/seal"
)

// restoredText is printed with the backup's file and time, and the data folder.
const restoredText = `%s of %s restored to %s
A phone whose password was changed after that time has another one than the records (device credentials --rotate).
It counts as reset to factory settings: provisioning.resets of them are served by themselves, the others with
"plugtone device enroll MAC".
`

// restoreCommand puts a backup into place. It needs no daemon: none may be using the folder.
func restoreCommand() *cobra.Command {
	var dir, passphraseFile string
	c := &cobra.Command{
		Use: "restore FILE --data-dir DIR", Args: cobra.ExactArgs(1), Short: "Put a backup into a data folder that no daemon is using",
		Long: `Put a backup into a data folder that no daemon is using. What the folder has is set aside there, not removed.
The configuration of a backup with files is put there as plugtone.yaml: move it to /etc/plugtone yourself.

A phone whose password was changed after the backup was made ("plugtone device credentials --rotate") has another
one than the restored records. It counts as reset to factory settings: as many as provisioning.resets allows are
served by themselves, the others with "plugtone device enroll MAC".`,
		Example: `  systemctl stop plugtone
  plugtone restore /root/plugtone.tar --data-dir /var/lib/plugtone
  chown -R plugtone: /var/lib/plugtone && systemctl start plugtone`,
		RunE: func(c *cobra.Command, args []string) error {
			if dir == "" {
				return usagef("--data-dir DIR is needed")
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			backup, err := openBackup(f, passphraseFile)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			made, err := store.Restore(backup, store.RestoreConfig{Dir: dir, Now: time.Now(), Log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)),
				CheckCommand: checkFileCommand()})
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if _, err = fmt.Fprintf(c.OutOrStdout(), restoredText, args[0], made.UTC().Format(time.RFC3339), dir); err != nil {
				return err
			}
			if id := store.MissingKey(dir); id != "" {
				message(c, "its records are encrypted with the key %s: put that key into %s", id, filepath.Join(dir, seal.FileName))
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "data-dir", "", "the data folder `DIR`")
	c.Flags().StringVar(&passphraseFile, "passphrase-file", "", "the backup is encrypted with the passphrase in `FILE`; - reads standard input")
	return c
}
