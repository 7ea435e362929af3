//go:debug tlssha1=1

package main

// Go has switched off signatures with SHA-1 in TLS 1.2 (RFC 9155). Phones of those years support no other, neither in our
// side of the handshake nor for their factory's certificate; without the setting above they could fetch nothing over https.
