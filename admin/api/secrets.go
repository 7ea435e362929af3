package api

import (
	"plugtone/admin/access"
	"plugtone/admin/document"
	"plugtone/provision/fleet"
)

// publicExtras masks vendor settings. Which of them are secrets is not known for certain: those whose names look like it are masked for
// all callers. A viewer sees only which are set, so all are masked.
func publicExtras(in map[string]map[string]string, c access.Caller) map[string]map[string]string {
	if in == nil {
		return nil
	}
	out := make(map[string]map[string]string, len(in))
	for vendor, params := range in {
		out[vendor] = make(map[string]string, len(params))
		for name, value := range params {
			if c.Role < access.Operator || value != "" && fleet.LooksSecret(name) {
				value = document.Mask
			}
			out[vendor][name] = value
		}
	}
	return out
}
