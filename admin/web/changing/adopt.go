package changing

import (
	"context"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// found returns a phone without a record as the device that it would be: with what it was recognised as, as far as the pack has it. A phone that
// was never seen, whose MAC was scanned for example, is only its MAC.
func (s screen) found(ctx context.Context, text string) (client.Device, error) {
	mac, err := dhcp.ParseMAC(text)
	if err != nil {
		return client.Device{}, &client.Problem{Status: 422, Detail: err.Error()}
	}
	out := client.Device{Device: fleet.Device{MAC: mac, Enabled: true}}
	d, err := s.API.DiscoveredPhone(ctx, mac.String())
	if client.IsNotFound(err) {
		return out, nil
	}
	if err != nil || d.Vendor == "" {
		return out, err
	}
	v, err := s.API.Vendor(ctx, d.Vendor)
	if client.IsNotFound(err) {
		return out, nil
	}
	out.Vendor = d.Vendor
	for _, m := range v.Models {
		if slices.ContainsFunc(append(m.Aliases, m.Model), func(name string) bool { return strings.EqualFold(name, d.Model) }) {
			out.Model = m.Model
		}
	}
	return out, err
}

// adopt makes devices of phones without a record: with extensions in order, when there are any.
func adopt(x selection, f *page.Form) write {
	if !f.Values.Has("step") {
		return nil
	}
	var numbers []string
	if text := f.Get("extensions"); text != "" {
		var problem string
		if numbers, problem = Expand(words(text), len(x.Phones)); problem != "" {
			f.Problems["extensions"] = problem
			return nil
		}
	}
	return func(ctx context.Context, c *client.Client) (uint64, error) {
		var list []map[string]any
		for i, d := range x.Phones {
			doc := map[string]any{"mac": d.MAC, "vendor": d.Vendor, "model": d.Model, "profile": f.Get("profile")}
			if model := f.Get("model"); model != "" {
				doc["model"] = model
				delete(doc, "vendor")
			}
			if numbers != nil {
				number, registrar, _ := strings.Cut(numbers[i], "@")
				doc["lines"] = []fleet.Line{{Position: 1, Extension: number, Registrar: registrar}}
				if f.Get("named") != "" {
					if e, _, err := c.Extensions().Get(ctx, numbers[i], false); err == nil { // what is wrong with it, the change names
						doc["label"] = e.DisplayName
					}
				}
			}
			list = append(list, doc)
		}
		return document(list)(ctx, c)
	}
}
