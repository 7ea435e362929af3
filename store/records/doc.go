// Package records keeps what operators enter: devices, extensions, registrars, profiles, their history, tokens and the
// audit log, in plugtone.db. It checks no rules of provisioning: what is put into it has been validated, except for what
// must be unique and what must read back.
package records
