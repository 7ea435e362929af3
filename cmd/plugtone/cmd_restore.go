package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"plugtone/store"
)

// restoreCommand puts a backup into place. It needs no daemon: none may be using the folder.
func restoreCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "restore FILE --data-dir DIR", Args: cobra.ExactArgs(1), Short: "Put a backup into a data folder that no daemon is using",
		Long: "Put a backup into a data folder that no daemon is using. What the folder has is set aside there, not removed.",
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
			if err := store.Restore(f, dir, time.Now(), checkFileCommand()...); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s restored to %s\n", args[0], dir)
			return err
		},
	}
	c.Flags().StringVar(&dir, "data-dir", "", "the data folder `DIR`")
	return c
}
