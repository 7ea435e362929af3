package client

import (
	"context"
	"net/http"

	"plugtone/dhcp"
	"plugtone/provision/impact"
	"plugtone/provision/leaseimport"
	"plugtone/provision/resolve"
)

// LeaseImport has leases of another DHCP server that are to become ours.
type LeaseImport struct {
	DryRun bool                       `json:"dry_run,omitempty" doc:"change nothing; only answer what would become of each lease" example:"true"`
	Leases []leaseimport.ForeignLease `json:"leases,omitempty" maxItems:"200000" doc:"leases of the other server"`
	// Reservations become those of device records, before the leases are imported.
	Reservations []leaseimport.ForeignReservation `json:"reservations,omitempty" maxItems:"200000" doc:"addresses that the other server has reserved; a client without a record gets one that has only its address and name"`
}

// LeaseVerdict is what became of an imported lease.
type LeaseVerdict string

// The verdicts of an import.
const (
	LeaseImported LeaseVerdict = "imported"
	LeaseExpired  LeaseVerdict = "expired"  // it has ended, or the other server ended it
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

// ReservationVerdict is what became of an imported reservation.
type ReservationVerdict string

// The verdicts of reservations.
const (
	ReservationNew      ReservationVerdict = "new"      // the client got a record, with the address and a name
	ReservationChanged  ReservationVerdict = "changed"  // the client's record, which had no address reserved, has this one now
	ReservationSame     ReservationVerdict = "same"     // the client's record has it
	ReservationOutside  ReservationVerdict = "outside"  // in no subnet of ours
	ReservationConflict ReservationVerdict = "conflict" // something here contradicts it
)

// ReservationVerdicts lists all verdicts of reservations.
func ReservationVerdicts() []ReservationVerdict {
	return []ReservationVerdict{ReservationNew, ReservationChanged, ReservationSame, ReservationOutside, ReservationConflict}
}

// ImportedReservation is one reservation of an import with its verdict.
type ImportedReservation struct {
	leaseimport.ForeignReservation
	Device  dhcp.MAC           `json:"device,omitzero" doc:"the device whose record has the address now" example:"00:15:65:12:34:56"`
	Verdict ReservationVerdict `json:"verdict" enum:"new,changed,same,outside,conflict" doc:"new: the client got a record; changed: its record has the address now; same: it had it; the others are not imported" example:"conflict"`
	Reason  string             `json:"reason,omitempty" doc:"why it is not imported" example:"the device has 10.20.0.51 reserved here"`
}

// LeasesImported is the result of an import.
type LeasesImported struct {
	DryRun       bool                   `json:"dry_run,omitempty" doc:"nothing was changed" example:"true"`
	Items        []ImportedLease        `json:"items" doc:"the leases of the request, in its order"`
	Reservations []ImportedReservation  `json:"reservations,omitempty" doc:"the reservations of the request, in its order"`
	Change       uint64                 `json:"change,omitempty" doc:"number of the change of records that the reservations made, which can be undone" example:"128"`
	LeftOut      []resolve.LeftOutCount `json:"left_out,omitempty" doc:"what the phones of the reservations do not get that they did not lack before, by vendor"`
	Preview      *impact.Preview        `json:"preview,omitempty" doc:"of a dry run with reservations: the phones whose files would change"`
}

// ImportLeases makes leases and reservations of another DHCP server ours. A dry run is answered with the verdicts, not with a *DryRun error.
func (c Operation) ImportLeases(ctx context.Context, in LeaseImport) (out LeasesImported, err error) {
	in.DryRun = in.DryRun || c.conn.write.DryRun
	_, err = c.conn.do(ctx, call{method: http.MethodPost, path: "/leases/import", body: in, change: true}, &out)
	return out, err
}
