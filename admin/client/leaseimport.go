package client

import (
	"context"

	"plugtone/provision/leaseimport"
)

// LeaseImport has leases of another DHCP server that are to become ours.
type LeaseImport struct {
	DryRun bool                       `json:"dry_run,omitempty" doc:"change nothing; only answer what would become of each lease" example:"true"`
	Leases []leaseimport.ForeignLease `json:"leases" maxItems:"200000" doc:"leases of the other server"`
}

// LeaseVerdict is what became of an imported lease.
type LeaseVerdict string

// The verdicts of an import.
const (
	LeaseImported LeaseVerdict = "imported"
	LeaseExpired  LeaseVerdict = "expired"  // it is over, or the other server ended it
	LeaseOutside  LeaseVerdict = "outside"  // in no subnet of ours, or in none of its pools
	LeaseSame     LeaseVerdict = "same"     // the client has it here
	LeaseConflict LeaseVerdict = "conflict" // something here contradicts it
)

// LeaseVerdicts lists all verdicts.
func LeaseVerdicts() []LeaseVerdict {
	return []LeaseVerdict{LeaseImported, LeaseSame, LeaseExpired, LeaseOutside, LeaseConflict}
}

// ImportedLease is one lease of an import with its verdict.
type ImportedLease struct {
	leaseimport.ForeignLease
	Verdict LeaseVerdict `json:"verdict" enum:"imported,expired,outside,same,conflict" doc:"imported: it is ours now; same: the client had it here; the others are not imported" example:"conflict"`
	Reason  string       `json:"reason,omitempty" doc:"why it is not imported" example:"address is reserved for 00:15:65:00:00:02"`
}

// LeasesImported is the result of an import.
type LeasesImported struct {
	DryRun bool            `json:"dry_run,omitempty" doc:"nothing was changed" example:"true"`
	Items  []ImportedLease `json:"items" doc:"the leases of the request, in its order"`
}

// ImportLeases makes leases of another DHCP server ours.
func (c Operation) ImportLeases(ctx context.Context, in LeaseImport) (out LeasesImported, err error) {
	return out, c.conn.post(ctx, "/leases/import", in, &out)
}
