package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"plugtone/admin/client"
)

func backupCommand(a *app) *cobra.Command {
	var withFiles bool
	var passphraseFile string
	c := &cobra.Command{
		Use: "backup FILE", Args: cobra.ExactArgs(1), Short: "Write a backup of everything",
		Long: `Write a backup of what the daemon has, as of now, while it runs: records, leases and timelines. --with-files adds the
configuration and the folders files and uploads of the data folder. - writes to standard output.

Records and uploads in it are encrypted; their key, plugtone.key in the data folder, is not in it: copy it to a safe place once.
The configuration may have secrets in clear. --passphrase-file encrypts the whole backup, in the age format.`,
		Example: `  plugtone backup /root/plugtone-$(date +%F).tar
  plugtone backup --with-files --passphrase-file /root/backup.pass /root/plugtone.tar.age
  plugtone backup - | ssh backup 'cat > plugtone.tar'`,
		RunE: withClient(a, func(c *cobra.Command, cl *client.Client, args []string) error {
			write := func(w io.Writer) (int64, error) { return cl.Backup(c.Context(), w, withFiles) }
			if passphraseFile != "" {
				var err error
				if write, err = encryptedBackup(c.Context(), cl, withFiles, passphraseFile); err != nil {
					return err
				}
			}
			if args[0] == "-" {
				_, err := write(c.OutOrStdout())
				return err
			}
			n, err := writeNew(args[0], write)
			if err != nil {
				return err
			}
			return a.done(c, map[string]any{"file": args[0], "size": n}, "%s written, %s", args[0], bytesOf(n))
		}),
	}
	c.Flags().BoolVar(&withFiles, "with-files", false, "also the configuration, files and uploads")
	c.Flags().StringVar(&passphraseFile, "passphrase-file", "", "encrypt it with the passphrase in `FILE`; - reads standard input")
	return c
}

// encryptedBackup returns a function that writes a backup in the age format.
func encryptedBackup(ctx context.Context, cl *client.Client, withFiles bool, passphraseFile string) (func(io.Writer) (int64, error), error) {
	passphrase, err := readPassphrase(passphraseFile)
	if err != nil {
		return nil, err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) (int64, error) {
		encrypted, err := age.Encrypt(w, recipient)
		if err != nil {
			return 0, err
		}
		n, err := cl.Backup(ctx, encrypted, withFiles)
		return n, errors.Join(err, encrypted.Close())
	}, nil
}

// readPassphrase reads the first line of a file.
func readPassphrase(path string) (string, error) {
	b, err := io.ReadAll(os.Stdin)
	if path != "-" {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("passphrase: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", fmt.Errorf("%s: its first line, the passphrase, is empty", path)
	}
	return line, nil
}

// ageHeader begins a file in the age format.
const ageHeader = "age-encryption.org/"

// openBackup returns the content of a backup, decrypted if it is encrypted.
func openBackup(r io.Reader, passphraseFile string) (io.Reader, error) {
	in := bufio.NewReader(r)
	head, _ := in.Peek(len(ageHeader))
	if string(head) != ageHeader {
		return in, nil
	}
	if passphraseFile == "" {
		return nil, errors.New("it is encrypted\nhint: name the file with its passphrase with --passphrase-file")
	}
	passphrase, err := readPassphrase(passphraseFile)
	if err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(20) // a forged file must not take gigabytes of memory
	out, err := age.Decrypt(in, identity)
	if errors.As(err, new(*age.NoIdentityMatchError)) {
		return nil, errors.New("the passphrase is wrong")
	}
	return out, err
}
