package main

import (
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plugtone/admin/client"
)

// formatCSV has the credentials of phones of all vendors.
const formatCSV = "csv"

// cloudFormats are the tables that redirect services import, of which the columns are known.
var cloudFormats = map[string]cloudFormat{
	// Columns: from Poly's own pages, 2026; not tried against the service. Further columns are parameters, whose names were not found.
	"poly-lens": {vendor: "polycom", header: []string{"mac_address", "serial_number", "device_model"}, row: func(d client.Device) []string {
		return []string{d.MAC.Hex(), d.Serial, d.Model}
	}},
}

// unknownFormats are redirect services whose import columns were not found in any public document.
var unknownFormats = []string{"yealink-rps", "grandstream-gdms", "snom-sraps"}

// cloudFormat is the table that one redirect service imports.
type cloudFormat struct {
	vendor string
	header []string
	row    func(client.Device) []string
}

// formatUsage is the help on --format.
const formatUsage = "all phones, or those of --where, as a table in `FORMAT`: csv (mac,vendor,model,label,url,user,password; all vendors), or\n" +
	"poly-lens (mac_address,serial_number,device_model: from the vendor's pages, not tried there; further columns are not known).\n" +
	"The import columns of yealink-rps, grandstream-gdms and snom-sraps are not known: arrange those of csv"

// print prints phones in a format. The passwords are in the format csv only.
func (f credentialsExport) print(c *cobra.Command, cl *client.Client) error {
	if slices.Contains(unknownFormats, f.format) {
		return usagef("the columns that %s imports are not known; use --format csv, and arrange its columns as the service wants them", f.format)
	}
	table, known := cloudFormats[f.format]
	if f.format != formatCSV && !known {
		return usagef("--format %q: must be csv or %s", f.format, strings.Join(slices.Sorted(maps.Keys(cloudFormats)), " or "))
	}
	if f.format == formatCSV && f.many.where == "" && !f.many.stdin {
		return cl.ExportCredentials(c.Context(), c.OutOrStdout())
	}
	devices, err := f.devices(c, cl)
	if err != nil {
		return err
	}
	if !known {
		return f.selected(c, cl, devices)
	}
	w := csv.NewWriter(c.OutOrStdout())
	rows := [][]string{table.header}
	for _, d := range devices {
		if d.Vendor == table.vendor {
			rows = append(rows, table.row(d))
		}
	}
	return w.WriteAll(rows)
}

// credentialsExport is an export of many phones' credentials.
type credentialsExport struct {
	format string // "": none
	many   many
}

func (f *credentialsExport) define(c *cobra.Command) {
	c.Flags().StringVar(&f.format, "format", "", formatUsage)
	f.many.define(c)
	for _, pair := range [][2]string{{"csv", "rotate"}, {"csv", "format"}, {"format", "rotate"}} {
		c.MarkFlagsMutuallyExclusive(pair[0], pair[1])
	}
}

// check returns an error unless one phone is named, or a format.
func (f credentialsExport) check(args []string) error {
	if (f.format != "") == (len(args) == 1) {
		return usagef("name one phone, or --format FORMAT for all, or for those of --where")
	}
	if f.format == "" && (f.many.where != "" || f.many.stdin) {
		return usagef("--where and --stdin go with --format")
	}
	return nil
}

// devices reads the devices that are named, all when none are.
func (f credentialsExport) devices(c *cobra.Command, cl *client.Client) ([]client.Device, error) {
	if f.many.where == "" && !f.many.stdin {
		return cl.Devices().All(c.Context(), nil)
	}
	return f.many.records(c, cl, nil)
}

// selected prints the rows of some devices, of the table of all.
func (f credentialsExport) selected(c *cobra.Command, cl *client.Client, devices []client.Device) error {
	wanted := map[string]bool{}
	for _, d := range devices {
		wanted[d.MAC.String()], wanted[d.MAC.Hex()] = true, true
	}
	r, pipe := io.Pipe()
	go func() { pipe.CloseWithError(cl.ExportCredentials(c.Context(), pipe)) }()
	defer r.Close()
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return err
	}
	w := csv.NewWriter(c.OutOrStdout())
	for i, row := range rows {
		if i == 0 || wanted[row[0]] {
			if err := w.Write(row); err != nil {
				return err
			}
		}
	}
	w.Flush()
	return w.Error()
}
