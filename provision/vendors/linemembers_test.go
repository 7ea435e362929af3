package vendors_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
)

// A line that is switched off is written as a line that isn't there, and the settings of a line's own registrar as those of a
// registrar that has them, by every vendor with phones of two lines.
func TestLineMembersInFiles(t *testing.T) {
	packs := load(t)
	off := false
	for _, v := range packs.Vendors() {
		model := ""
		for _, m := range v.Models() {
			if m.Lines >= 2 {
				model = m.Name
				break
			}
		}
		if model == "" {
			continue
		}
		t.Run(v.ID, func(t *testing.T) {
			files := func(main fleet.Registrar, lines ...fleet.Line) string {
				r := &provisiontest.Records{}
				d := &fleet.Device{MAC: provisiontest.FrontDesk, Vendor: v.ID, Model: model, Enabled: true, Lines: lines}
				main.Name = "main"
				provisiontest.Edit(t, r, func(e fleet.Edit) error {
					return errors.Join(e.PutRegistrar(&main), e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "s3cret"}),
						e.PutExtension(&fleet.Extension{Number: "1002", Registrar: "main", Password: "hidden1002"}), e.PutDevice(d))
				})
				return filesOf(t, packs, r, d)
			}
			main := fleet.Registrar{Host: "pbx.example.com", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)}
			first := fleet.Line{Position: 1, Extension: "1001", Registrar: "main"}
			second := fleet.Line{Position: 2, Extension: "1002", Registrar: "main"}
			if !strings.Contains(files(main, first, second), "1002") {
				t.Fatal("the second line is not in the files")
			}
			second.Enabled = &off
			if got := files(main, first, second); got != files(main, first) || strings.Contains(got, "1002") {
				t.Errorf("a line that is switched off is in the files:\n%s", got)
			}
			own := first
			own.Override = &fleet.RegistrarOverride{Host: "b.example.com", Port: 5070, OutboundProxy: "edge.example.com:5080", RegisterExpires: setting.Duration(20 * time.Minute)}
			other := fleet.Registrar{Host: "b.example.com", Port: 5070, Transport: "udp", OutboundProxy: "edge.example.com:5080", RegisterExpires: setting.Duration(20 * time.Minute)}
			if got := files(main, own); got != files(other, first) || !strings.Contains(got, "b.example.com") {
				t.Errorf("the line's own registrar settings are not in the files:\n%s", got)
			}
		})
	}
}
