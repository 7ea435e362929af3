// Package bootclient has the network clients of a phone that boots: DHCP on a link, by a relay or with an address, TFTP and HTTP. They are written
// from the RFCs and do little, so that one process can be thousands of phones and make load beside the server that is measured. What a phone of
// some vendor requests is package simulate.
package bootclient
