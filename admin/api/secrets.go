package api

import (
	"fmt"
	"strconv"

	"plugtone/admin/access"
	"plugtone/admin/document"
	"plugtone/admin/problem"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// mask stands in answers for a value that is not shown. Written back, it means the value that is kept.
const mask = "***"

// publicExtras masks parameters in the vendor's own words. Which of them are secrets, nobody can tell for sure: those whose
// names look like it are masked for everybody, and for a viewer all are, who sees that they are set, not to what.
func publicExtras(in map[string]map[string]string, c access.Caller) map[string]map[string]string {
	if in == nil {
		return nil
	}
	out := make(map[string]map[string]string, len(in))
	for vendor, params := range in {
		out[vendor] = make(map[string]string, len(params))
		for name, value := range params {
			if c.Role < access.Operator || value != "" && fleet.LooksSecret(name) {
				value = mask
			}
			out[vendor][name] = value
		}
	}
	return out
}

// unmask puts the kept values where a body has the mask, so that what was read can be written back, and reports masks that
// stand for nothing.
func unmask(doc, was document.Object, packs *pack.Set, bad *problem.List) {
	given, _ := doc["vendor_settings"].(map[string]any)
	kept, _ := was["vendor_settings"].(map[string]any)
	for vendor, params := range given {
		id := vendor
		if v, ok := packs.Vendor(vendor); ok {
			id = v.ID
		}
		old, _ := kept[id].(map[string]any)
		params, _ := params.(map[string]any)
		for name, value := range params {
			if value != mask {
				continue
			}
			if was, ok := old[name]; ok {
				params[name] = was
				continue
			}
			bad.Add(fmt.Sprintf("vendor_settings.%s[%s]", vendor, strconv.Quote(name)), "", mask+" stands for a value that is kept, and there is none")
			delete(params, name)
		}
	}
}
