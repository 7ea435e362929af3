// Package provision knows what a phone is, how it is recognised and what it is given: devices, lines, keys and settings;
// the vendor packs; the trust in a requester; and Answer, the one call behind every file that leaves.
//
// It is not a server (tftp and httpprov are), keeps nothing (store does) and never talks SIP.
package provision
