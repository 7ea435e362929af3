package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"plugtone/docs"
)

// manCommand returns the command that writes the manual pages, dated by $SOURCE_DATE_EPOCH. It is for packagers, so help does not list it.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages below a folder such as /usr/share/man",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			commands, files := filepath.Join(args[0], "man1"), filepath.Join(args[0], "man5")
			for _, dir := range []string{commands, files} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			root := c.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "plugtone " + versionText()}
			if err := doc.GenManTree(root, header, commands); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(files, "plugtone.yaml.5"), configurationPage(), 0o644)
		},
	}
}

// link is a Markdown link, of which a manual page keeps the text.
var link = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// configurationPage returns plugtone.yaml(5), made from docs/configuration.md.
func configurationPage() []byte {
	text := link.ReplaceAll(docs.Configuration, []byte("$1"))
	_, text, _ = bytes.Cut(text, []byte("\n")) // the title
	head := "plugtone.yaml 5 \"\" \"plugtone " + versionText() + "\"\n==================\n\n# NAME\n\nplugtone.yaml - configuration of plugtone\n\n# DESCRIPTION\n"
	return md2man.Render(append([]byte(head), text...))
}
