package resolve

import (
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/trust/httpauth"
)

// SendsCredentials reports whether phones of a model can send credentials to a server: Digest over HTTP, any over HTTPS.
func SendsCredentials(v *pack.Vendor, model, serverURL string) bool {
	if !v.Supports(model, "provisioning_password") {
		return false
	}
	if strings.HasPrefix(serverURL, "https:") {
		return v.Challenge(model) != httpauth.None
	}
	return strings.HasPrefix(serverURL, "http:") && httpauth.IsDigest(v.Challenge(model))
}

// GivesCredentials reports whether the files of a device in a subnet, which may be zero, hold its credentials: where the
// phone can send them, and always with an external URL, at which no lease proves anything.
func GivesCredentials(v *pack.Vendor, site *fleet.Site, n fleet.Subnet, d *fleet.Device) bool {
	return d.Credentials != nil && (site.ExternalURL != "" || v != nil && SendsCredentials(v, d.Model, site.URLFor(n)))
}
