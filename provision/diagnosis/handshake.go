package diagnosis

import (
	"fmt"

	"plugtone/provision/timeline"
)

// handshakeHints is what to do about a TLS handshake that failed, by the verdict of its entry.
var handshakeHints = map[string]string{
	"unknown_authority": "put the server's authority into the phone (/plugtone-ca.crt while https.cert_file is empty), or use a certificate of an authority that it has",
	"clock":             "give it a time server (ntp_servers) and look at its clock; plugtone status warns when the certificate itself has ended",
	"certificate":       "look at the name in the certificate, at the phone's clock and at the authorities that it has",
	"certificate_ended": "renew the certificate of https.cert_file and reload",
	"closed":            "phones that reject a certificate often end the connection without a reason: look at its authorities and its clock",
	"protocol_version":  "update its firmware, or let it fetch over http or tftp: provisioning_url",
	"cipher":            "update its firmware, or let it fetch over http or tftp: provisioning_url",
	"plain_http":        "its URL has https's port with http: correct its provisioning settings",
}

// handshake returns the finding about a TLS handshake that failed.
func handshake(e *timeline.Entry) conclusion {
	return problem(e.Time, fmt.Sprintf("its TLS handshake failed at %s: %s", at(e.Time), e.Reason), handshakeHints[e.Verdict])
}
