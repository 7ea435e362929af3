package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

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
			asMarkdown(root)
			root.Long += commandList(root)
			header := &doc.GenManHeader{Section: "1", Source: "plugtone " + versionText()}
			if err := doc.GenManTree(root, header, commands); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(files, "plugtone.yaml.5"), configurationPage(), 0o644)
		},
	}
}

// special are the characters that Markdown does not leave as they are.
var special = regexp.MustCompile("[\\\\*_`<>\\[\\]]")

// asMarkdown turns the description of a command, and of those below it, into the Markdown that manual pages are made of: indented lines
// are printed as they are.
func asMarkdown(c *cobra.Command) {
	var b strings.Builder
	indented := false
	for line := range strings.Lines(c.Long) {
		was := indented
		if indented = strings.HasPrefix(line, "  "); was != indented {
			b.WriteString("\n")
		}
		if indented {
			b.WriteString("    " + line[2:])
		} else {
			b.WriteString(special.ReplaceAllString(line, `\$0`))
		}
	}
	c.Long = b.String()
	for _, sub := range c.Commands() {
		asMarkdown(sub)
	}
}

// commandList is the part of plugtone(1) that lists the commands.
func commandList(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("\n\n# COMMANDS\n")
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, "**%s**\n: %s\n\n", c.Name(), c.Short)
		}
	}
	return b.String()
}

// link is a Markdown link, of which a manual page keeps the text.
var link = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// heading is the line of a heading in roff, where quotation marks around a word vanish.
var heading = regexp.MustCompile(`(?m)^\.S[HS] .*$`)

// configurationPage returns plugtone.yaml(5), made from docs/configuration.md.
func configurationPage() []byte {
	text := link.ReplaceAll(docs.Configuration, []byte("$1"))
	_, text, _ = bytes.Cut(text, []byte("\n")) // the title
	head := "plugtone.yaml 5 \"\" \"plugtone " + versionText() + "\"\n==================\n\n# NAME\n\nplugtone.yaml - configuration of plugtone\n\n# DESCRIPTION\n"
	page := md2man.Render(append([]byte(head), text...))
	return heading.ReplaceAllFunc(page, func(line []byte) []byte { return bytes.ReplaceAll(line, []byte(`"`), []byte(`\(dq`)) })
}
