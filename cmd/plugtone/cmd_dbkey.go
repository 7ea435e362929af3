package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"plugtone/provision/uploads"
	"plugtone/provision/upstream"
	"plugtone/store"
	"plugtone/store/dbfile"
	"plugtone/store/seal"
)

// dbRotateKeyCommand makes a new key for the records of a data folder.
func dbRotateKeyCommand() *cobra.Command {
	var path string
	var forget bool
	c := &cobra.Command{
		Use: "rotate-key DIR", Args: cobra.ExactArgs(1), Short: "Encrypt the records of a data folder that no daemon is using with a new key",
		Long: `Make a new key, and encrypt the records of a data folder with it that no daemon is using.

The older keys stay in the key file, for copies in backups/ and older backups need them. --forget removes them: those
copies can then not be read any more. When it is interrupted, the next start of the daemon completes it.`,
		Example: `  systemctl stop plugtone
  plugtone db rotate-key /var/lib/plugtone
  chown -R plugtone: /var/lib/plugtone && systemctl start plugtone`,
		RunE: func(c *cobra.Command, args []string) error {
			if path == "" {
				path = filepath.Join(args[0], seal.FileName)
			}
			id, err := store.RotateKey(c.Context(), store.RotateConfig{Dir: args[0], KeyFile: path, Forget: forget, Now: time.Now,
				Log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})), CheckCommand: checkFileCommand()})
			if err != nil {
				return err
			}
			message(c, "the records in %s are encrypted with the key %s; copy %s to a safe place", args[0], id, path)
			return nil
		},
	}
	c.Flags().StringVar(&path, "key-file", "", "the key is in `FILE`, not in the data folder")
	c.Flags().BoolVar(&forget, "forget", false, "remove the older keys")
	return c
}

// dbDecryptCommand decrypts the copy that was made before a migration.
func dbDecryptCommand() *cobra.Command {
	var path, out string
	c := &cobra.Command{
		Use: "decrypt FILE|FOLDER -o FILE|FOLDER", Args: cobra.ExactArgs(1), Short: "Decrypt uploads, or a copy that was made before a migration",
		Long: `Decrypt a file of the data folder with its key: one that a phone has uploaded (uploads/), an answer of a PBX that renders files
(upstream/), or a copy that plugtone made in backups/ before it changed a file to a newer schema. Of a folder, every file
below it is decrypted to a new folder: an older plugtone reads uploads in clear only. The result has secrets in clear text.`,
		Example: `  plugtone db decrypt /var/lib/plugtone/uploads/001565123456/001565123456-local.cfg -o local.cfg
  plugtone db decrypt /var/lib/plugtone/uploads -o /var/lib/plugtone/uploads.clear
  plugtone db decrypt /var/lib/plugtone/backups/plugtone.db.schema-3-20261130T090455.943Z.age -o plugtone.db`,
		RunE: func(c *cobra.Command, args []string) error {
			if path == "" {
				path = filepath.Join(dataFolderOf(args[0]), seal.FileName)
			}
			if out == "" {
				return usagef("-o FILE is needed")
			}
			ring, err := seal.Read(path)
			if err != nil {
				return err
			}
			d := decryption{ring, path}
			if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
				n, err := d.folder(args[0], out)
				if n > 0 {
					message(c, "%d files are in clear in %s", n, out)
				}
				return err
			}
			if out == "-" {
				return d.file(args[0], false, c.OutOrStdout())
			}
			return dbfile.WriteDurably(out, func(w io.Writer) error { return d.file(args[0], false, w) })
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "write to `FILE`, with mode 0600, or to a new folder; - is standard output")
	c.Flags().StringVar(&path, "key-file", "", "the key is in `FILE`; default: in the data folder")
	return c
}

// dataFolderOf returns the data folder that a file of backups/, uploads/ or upstream/ is in, or that one of these folders is in.
func dataFolderOf(name string) string {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if b := filepath.Base(name); b != uploads.FolderName && b != upstream.FolderName {
			name = filepath.Dir(name) // the folder of one phone
		}
		return filepath.Dir(filepath.Clean(name))
	}
	dir := filepath.Dir(filepath.Dir(name))
	if b := filepath.Base(dir); b == uploads.FolderName || b == upstream.FolderName {
		return filepath.Dir(dir)
	}
	return dir
}
