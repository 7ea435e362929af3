// Package store keeps plugtone's data in three bbolt files that fail apart: plugtone.db holds what operators enter,
// leases.db the leases, events.db what happened to phones. Nothing of bbolt shows outside, so another engine could
// stand in its place. It checks no rules of provisioning: what is put into it has been validated, except for what must
// be unique and what must read back.
package store
