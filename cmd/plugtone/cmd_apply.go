package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"plugtone/admin/client"
	"plugtone/provision/apply"
)

// maxFleetFile bounds a file of records.
const maxFleetFile = 512 << 20

// formats are those of apply and export.
var formats = []string{"yaml", "json", "csv"}

func applyCommand(a *app) *cobra.Command {
	var file, format string
	var o client.ApplyOptions
	c := &cobra.Command{
		Use: "apply -f FILE", Args: cobra.NoArgs, Short: "Create and change many records at once, from YAML, JSON or CSV",
		Long: "Create and change many records at once, all or none. Every faulty row is named.\n\n" +
			"YAML and JSON are one document with the lists registrars, extensions, profiles and devices. Members that a record leaves out\n" +
			"stay as they are, null clears one.\n\n" +
			"CSV is a table with one phone a row. The header has, in any order: mac vendor model label profile location serial tags\n" +
			"reserved_ip enabled notes other_macs line1 .. lineN key:AREA:SLOT set:NAME. Separators are comma, semicolon or tab. An empty\n" +
			"cell removes what its column names. The device tables of FusionPBX, FS PBX and Yeastar are recognised by their columns;\n" +
			"extensions of a FusionPBX table that do not exist yet are created.",
		Example: `  plugtone apply -f fleet.yaml --dry-run --summary
  plugtone apply -f phones.csv --map "Room=location" --map "Asset=-" --message "second floor"
  plugtone export --format csv | plugtone apply -f - --format csv`,
		RunE: func(c *cobra.Command, _ []string) error { return a.apply(c, file, format, o) },
	}
	f := c.Flags()
	f.StringVarP(&file, "file", "f", "", "`FILE` with the records; - reads standard input")
	f.StringVar(&format, "format", "", "`FORMAT` yaml, json or csv (default: by the file's name, else by what it begins with)")
	f.StringArrayVar(&o.Map, "map", nil, "`COLUMN=FIELD`: which field a column of a table is; COLUMN=- leaves it out (repeatable)")
	f.BoolVar(&o.Prune, "prune", false, "remove records that the file does not have, of the kinds that it has")
	f.BoolVar(&o.Yes, "yes", false, "with --prune: also more than a tenth of the records of a kind")
	a.writes(c)
	return c
}

func (a *app) apply(c *cobra.Command, file, format string, o client.ApplyOptions) error {
	if file == "" {
		return usagef("-f FILE is needed")
	}
	b, err := readAll(c, file, maxFleetFile)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return fmt.Errorf("%s is empty", file)
	}
	if err := oneOf("format", format, formats...); err != nil {
		return err
	}
	named := func(err error) error { return rows(file, err) }
	if format == "" {
		format = apply.FormatOf(file, b)
	}
	switch format {
	case "csv":
		o.Table = true
	case "yaml":
		doc, err := apply.ParseYAML(file, b, maxFleetFile)
		if err != nil {
			return counted(file, err)
		}
		b, named = doc.JSON, func(err error) error { return locate(file, doc, err) }
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	bar := newBar(c.ErrOrStderr(), a.now)
	o.Progress = bar.show
	out, err := cl.Apply(c.Context(), bytes.NewReader(b), o)
	bar.end()
	if client.IsConflict(err) && o.Prune && !o.Yes {
		return fmt.Errorf("%w\nhint: --yes confirms it; --dry-run shows which", err)
	}
	if err != nil {
		return named(err)
	}
	return a.printApplied(c, out)
}

func (a *app) printApplied(c *cobra.Command, out client.Applied) error {
	warnLeftOut(c, out.LeftOut)
	if a.json {
		return printJSON(c, out)
	}
	text := fmt.Sprintf("%d new, %d changed, %d the same", out.New, out.Changed, out.Same)
	if out.Deleted > 0 {
		text += fmt.Sprintf(", %d removed", out.Deleted)
	}
	if out.Skipped > 0 {
		text += fmt.Sprintf(", %d of a PBX source left alone", out.Skipped)
	}
	if out.Change > 0 {
		text += fmt.Sprintf("; that is change %d", out.Change)
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), text)
	return err
}

// readAll reads a file, or standard input for "-", of at most so many bytes, which are whole MiB.
func readAll(c *cobra.Command, file string, limit int64) ([]byte, error) {
	in := c.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB", file, limit>>20)
	}
	return b, nil
}

// locate adds file and line to each problem that the daemon found.
func locate(file string, d *apply.YAML, err error) error {
	var p *client.Problem
	if !errors.As(err, &p) || len(p.Errors) == 0 {
		return err
	}
	errs := []error{errors.New(p.Detail)}
	for _, x := range p.Errors {
		at := d.Find(strings.TrimPrefix(x.Location, "body."))
		errs = append(errs, fmt.Errorf("%s:%d:%d: %s", file, at.Line, at.Column, x))
	}
	return errors.Join(errs...)
}

// rows adds the file's name to problems of its rows.
func rows(file string, err error) error {
	var p *client.Problem
	if !errors.As(err, &p) || len(p.Errors) == 0 {
		return err
	}
	errs := []error{errors.New(p.Detail)}
	for _, x := range p.Errors {
		errs = append(errs, fmt.Errorf("%s: %s", file, x))
	}
	return errors.Join(errs...)
}

func exportCommand(a *app) *cobra.Command {
	var format, file string
	var reveal bool
	var m many
	c := &cobra.Command{
		Use: "export [MAC]...", Args: m.anyArgs, Short: "Write all records, so that apply reads them",
		Long: "Write all records as YAML or JSON, or the devices as CSV. Applied to the records that it was made of, an export changes\n" +
			"nothing. Without --reveal secrets are left out: apply then keeps those of existing records. Devices that are named, by MAC,\n" +
			"--where or --stdin, are written alone, without other records.",
		Example: `  plugtone export -o fleet.yaml
  plugtone export --format csv -o phones.csv`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("format", format, formats...); err != nil {
				return err
			}
			if format == "" {
				format = "yaml"
				if ext := strings.ToLower(filepath.Ext(file)); ext == ".csv" || ext == ".json" {
					format = ext[1:]
				}
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			q := url.Values{"format": {"json"}}
			if format == "csv" {
				q.Set("format", "csv")
			}
			if reveal {
				q.Set("reveal", "true")
			}
			if m.where != "" {
				q.Set("where", m.where)
			}
			if len(args) > 0 || m.stdin {
				macs, err := m.devices(c, cl, args)
				if err != nil {
					return err
				}
				for _, mac := range macs {
					q.Add("mac", mac.String())
				}
			}
			return a.export(c, cl, q, format, file)
		},
	}
	f := c.Flags()
	f.StringVar(&format, "format", "", "`FORMAT` yaml, json or csv (default: by the name of -o, else yaml)")
	f.StringVarP(&file, "output", "o", "", "`FILE` to write, which must not exist (default: standard output)")
	f.BoolVar(&reveal, "reveal", false, "with secrets in clear; noted in the audit log")
	m.define(c)
	return c
}

// export writes records to a file, which is there whole or not at all, or to standard output.
func (a *app) export(c *cobra.Command, cl *client.Client, q url.Values, format, file string) error {
	write := func(w io.Writer) error {
		if format != "yaml" {
			return cl.Export(c.Context(), w, q)
		}
		records, part := io.Pipe()
		defer records.Close() // an export that is still under way fails
		go func() { _ = part.CloseWithError(cl.Export(c.Context(), part, q)) }()
		return writeYAML(w, records)
	}
	if file == "" || file == "-" {
		return write(c.OutOrStdout())
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already\nhint: name another file, or remove it first", file)
	}
	if err != nil {
		return err
	}
	err = write(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	message(c, "%s written", file)
	return nil
}

// atOnce is how many records are in memory as YAML: its nodes take a hundred times the memory of the text.
const atOnce = 500

// writeYAML writes a JSON object of scalars and lists as YAML, in the order of its members.
func writeYAML(w io.Writer, r io.Reader) error {
	dec := json.NewDecoder(r)
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		value, err := dec.Token()
		if err != nil {
			return err
		}
		if value == json.Delim('[') {
			err = writeList(w, dec, key)
		} else {
			err = writePart(w, key, value, false)
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.Token() // the end, or why there is none
	return err
}

// writeList writes the list of which dec has read the beginning.
func writeList(w io.Writer, dec *json.Decoder, key json.Token) error {
	for further := false; ; further = true {
		list := []json.RawMessage{}
		for len(list) < atOnce && dec.More() {
			var item json.RawMessage
			if err := dec.Decode(&item); err != nil {
				return err
			}
			list = append(list, item)
		}
		if !further || len(list) > 0 {
			if err := writePart(w, key, list, further); err != nil {
				return err
			}
		}
		if !dec.More() {
			_, err := dec.Token()
			return err
		}
	}
}

// writePart writes a member, or more items of the list that it is.
func writePart(w io.Writer, key json.Token, value any, further bool) error {
	b, err := json.Marshal(map[string]any{fmt.Sprint(key): value})
	if err != nil {
		return err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		return fmt.Errorf("the daemon's answer is invalid: %w", err)
	}
	blockStyle(&root)
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&root), enc.Close()); err != nil {
		return err
	}
	if further {
		_, _ = text.ReadBytes('\n') // the key
	}
	_, err = text.WriteTo(w)
	return err
}

// blockStyle writes lists and maps over lines, and texts without the quotes of JSON where YAML needs none.
func blockStyle(n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		n.Style = 0
	case len(n.Content) > 0:
		n.Style &^= yaml.FlowStyle
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}
