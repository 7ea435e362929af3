package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"plugtone/store"
	"plugtone/store/dbfile"
)

// checkFileName is the command that checks one file, in a process that a damaged file may end.
const checkFileName = "check-file"

// dbCommand looks at the files of a data folder.
func dbCommand() *cobra.Command {
	c := &cobra.Command{Use: "db", Short: "Look at the files of a data folder"}
	c.AddCommand(dbCheckCommand(), dbCheckFileCommand(), dbRotateKeyCommand(), dbDecryptCommand())
	return c
}

func dbCheckCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "check DIR", Args: cobra.ExactArgs(1), Short: "Check the files of a data folder that no daemon is using",
		Long: `Check the files of a data folder that no daemon is using, and change nothing: the pages
of each file as bbolt checks them, the checksum of each record, and the lease log.

The exit status is 0 when all are sound, else 1.`,
		Example: `  systemctl stop plugtone
  plugtone db check /var/lib/plugtone`,
		RunE: func(c *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err != nil {
				return fmt.Errorf("data folder: %w", err)
			} else if !info.IsDir() {
				return fmt.Errorf("%s is no folder: name the data folder that it is in", args[0])
			}
			reports := store.Check(args[0], checkFileCommand())
			if asJSON {
				if err := printJSON(c, reports); err != nil {
					return err
				}
			} else {
				printReports(c.OutOrStdout(), reports)
			}
			unsound := 0
			for _, r := range reports {
				if !r.Sound {
					unsound++
				}
			}
			if unsound > 0 {
				return fmt.Errorf("%s: %d of %d files are damaged or can't be read", args[0], unsound, len(reports))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

func printReports(w io.Writer, reports []dbfile.Report) {
	for _, r := range reports {
		if r.Sound {
			fmt.Fprintf(w, "%-15s sound, %d records\n", r.File, r.Records)
			continue
		}
		fmt.Fprintf(w, "%-15s %s\n", r.File, r.Damage())
		for _, key := range r.Keys {
			fmt.Fprintf(w, "  damaged record %s\n", key)
		}
	}
}

// dbCheckFileCommand checks the file that descriptor 3 has open. The daemon and db check run it.
func dbCheckFileCommand() *cobra.Command {
	return &cobra.Command{
		Use: checkFileName + " NAME", Args: cobra.ExactArgs(1), Hidden: true, Short: "Check the file that descriptor 3 has open",
		RunE: func(c *cobra.Command, args []string) error {
			sound, err := store.CheckInherited(c.OutOrStdout(), args[0])
			if err == nil && !sound {
				err = fmt.Errorf("%s is damaged", args[0])
			}
			return err
		},
	}
}

// checkFileCommand is this program's command line to check one file; nil when this is not plugtone but a test of it.
func checkFileCommand() []string {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil || filepath.Base(path) != "plugtone" {
		return nil
	}
	return []string{path, "db", checkFileName}
}
