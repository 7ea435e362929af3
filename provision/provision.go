// Package provision is the file service: Answer, the one call behind every file that leaves, and what previews, explains and
// compares its answers.
//
// A request passes through stages that take values and return values, in the order that Service.answer shows: parse (which
// files may be meant), identify (what is known of the requester), authorize (is it proved to be a phone), selectFile (which
// vendor's file it is), produce (may it leave, and its bytes). recordOutcome is the only step with effects.
//
// The package opens no sockets (tftp and httpprov do), stores nothing (store does) and sends no SIP. Records are in fleet,
// proofs and limits in trust, effective settings in resolve, packs in pack, uploaded files in uploads.
package provision
