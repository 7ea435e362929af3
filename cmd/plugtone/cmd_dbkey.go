package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"plugtone/provision/sealedfile"
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
		Use: "decrypt FILE -o FILE", Args: cobra.ExactArgs(1), Short: "Decrypt an upload, or a copy that was made before a migration",
		Long: `Decrypt a file of the data folder with its key: one that a phone has uploaded (uploads/), an answer of a PBX that renders files
(upstream/), or a copy that plugtone made in backups/ before it changed a file to a newer schema. The result has secrets in
clear text.`,
		Example: `  plugtone db decrypt /var/lib/plugtone/uploads/001565123456/001565123456-local.cfg -o local.cfg
  plugtone db decrypt /var/lib/plugtone/backups/plugtone.db.schema-3-20261130T090455.943Z.age -o plugtone.db`,
		RunE: func(c *cobra.Command, args []string) error {
			if path == "" {
				path = filepath.Join(dataFolderOf(args[0]), seal.FileName)
			}
			if out == "" {
				return usagef("-o FILE is needed")
			}
			if out == "-" {
				return decryptCopy(args[0], path, c.OutOrStdout())
			}
			return dbfile.WriteDurably(out, func(w io.Writer) error { return decryptCopy(args[0], path, w) })
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "write to `FILE`, with mode 0600; - is standard output")
	c.Flags().StringVar(&path, "key-file", "", "the key is in `FILE`; default: in the data folder")
	return c
}

// dataFolderOf returns the data folder that a file of backups/, uploads/ or upstream/ is in.
func dataFolderOf(name string) string {
	dir := filepath.Dir(filepath.Dir(name))
	if b := filepath.Base(dir); b == uploads.FolderName || b == upstream.FolderName {
		return filepath.Dir(dir)
	}
	return dir
}

func decryptCopy(name, keyFile string, w io.Writer) error {
	ring, err := seal.Read(keyFile)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	phone := filepath.Dir(path)
	place := sealedfile.Place(filepath.Base(filepath.Dir(phone)), filepath.Base(phone)+"/"+filepath.Base(path))
	if sealed, err := sealedfile.NewReader(f, info.Size(), place, store.CipherOf(ring)); err != nil || sealed.Sealed() {
		if err == nil {
			_, err = io.Copy(w, sealed)
		}
		return err
	}
	var identities []age.Identity
	for _, passphrase := range ring.Passphrases() {
		id, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			return err
		}
		id.SetMaxWorkFactor(1) // of copies that plugtone made
		identities = append(identities, id)
	}
	r, err := age.Decrypt(f, identities...)
	if errors.As(err, new(*age.NoIdentityMatchError)) {
		return fmt.Errorf("%s: none of the keys in %s is its key", name, keyFile)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = io.Copy(w, r)
	return err
}
