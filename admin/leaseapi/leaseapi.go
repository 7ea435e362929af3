// Package leaseapi has the operation of the admin API that makes leases and reservations of another DHCP server ours.
package leaseapi

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/advice"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision/fleet"
	"plugtone/provision/leaseimport"
)

// Table decides on leases and writes them. *leasetable.Table implements it.
type Table interface {
	Serve(decide func(now time.Time, leases *leasetable.Leases) dhcp.Decision, done func(*dhcp.Decision, error))
	WriteQueued()
}

// Config has the dependencies of the operation. All members are required.
type Config struct {
	api.Config
	Table Table
}

const (
	maxImport = 64 << 20 // bytes: 200,000 leases
	timeout   = 2 * time.Minute
	batch     = 500                  // leases that are decided and written together; clients of DHCP wait for that long
	longest   = 365 * 24 * time.Hour // of a lease without an end, or with a later one
)

// Register adds the operation to an API.
func Register(humaAPI huma.API, c Config) {
	post := access.Op(http.MethodPost, "/leases/import", "import-leases", "network", "Import leases and reservations of another DHCP server", access.Admin)
	post.MaxBodyBytes, post.BodyReadTimeout = maxImport, timeout
	huma.Register(humaAPI, post, func(ctx context.Context, in *struct {
		writing.Input
		Body client.LeaseImport
	}) (*struct{ Body client.LeasesImported }, error) {
		in.Body.DryRun = in.Body.DryRun || in.DryRun
		out, err := c.importAll(ctx, in.Body)
		return &struct{ Body client.LeasesImported }{out}, problem.From(err)
	})
}

// importAll imports the reservations in one change of records, then the leases.
func (c Config) importAll(ctx context.Context, in client.LeaseImport) (out client.LeasesImported, err error) {
	if in.DryRun {
		ctx = writing.WithDryRun(ctx)
	}
	out = client.LeasesImported{DryRun: in.DryRun, Items: make([]client.ImportedLease, 0, len(in.Leases))}
	var rows []*row
	// The records of a dry run have the reservations only within its edit, so that the leases are looked up there.
	lookUp := func(v fleet.View) (err error) {
		rows, err = c.rows(v, in.Leases)
		return err
	}
	if len(in.Reservations) == 0 {
		err = c.Records.View(lookUp)
	} else {
		err = c.reserve(ctx, in.Reservations, &out, lookUp)
	}
	if err != nil {
		return out, err
	}
	if err := c.run(ctx, rows, in.DryRun); err != nil {
		return out, err
	}
	for _, r := range rows {
		out.Items = append(out.Items, r.ImportedLease)
	}
	return out, nil
}

// row is a lease of an import with what the records have about it.
type row struct {
	client.ImportedLease
	subnet   netip.Prefix
	holder   dhcp.MAC // the device that has the address reserved; zero when none has
	phone    bool     // the client has a record
	reserved bool     // the address is reserved for the client
}

func (r *row) set(v client.LeaseVerdict, format string, args ...any) {
	r.Verdict, r.Reason = v, fmt.Sprintf(format, args...)
}

// rows looks the leases up in the records and the configuration. Rows without a verdict are to be decided by the lease table.
func (c Config) rows(v fleet.View, leases []leaseimport.ForeignLease) ([]*row, error) {
	site := c.Site()
	rows := make([]*row, 0, len(leases))
	for _, l := range leases {
		r := &row{ImportedLease: client.ImportedLease{ForeignLease: l}}
		rows = append(rows, r)
		n, ours := site.SubnetOf(l.IP)
		switch {
		case l.Ended:
			r.set(client.LeaseExpired, "the other server has ended it")
			continue
		case !ours || !l.IP.Is4():
			r.set(client.LeaseOutside, "address is in no subnet of the configuration")
			continue
		case l.MAC.IsZero():
			return nil, problem.Field("body.leases", l.IP.String(), "the lease has no mac")
		}
		r.subnet = n.Prefix
		if err := r.lookUp(v); err != nil {
			return nil, err
		}
		none := func(netip.Addr) (dhcp.Lease, bool) { return dhcp.Lease{}, false }
		if text := advice.Reservation(site, none, &fleet.Device{MAC: l.MAC, ReservedIP: l.IP}, netip.Addr{}); text != "" {
			r.set(client.LeaseConflict, "address %s", text)
		} else if !r.holder.IsZero() && !r.reserved {
			r.set(client.LeaseConflict, "address is reserved for %s", r.holder)
		}
	}
	return rows, nil
}

// lookUp reads the records of the address and of the client.
func (r *row) lookUp(v fleet.View) error {
	d, err := v.DeviceByAny(r.MAC)
	switch {
	case err == nil:
		r.phone, r.reserved = true, d.ReservedIP == r.IP
	case !errors.Is(err, fleet.ErrNotFound):
		return err
	}
	if r.holder, err = v.DeviceByIP(r.IP); err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	return nil
}

// run decides the rows and writes the imported ones, a batch at a time. What was written before an error is in the audit log, too.
func (c Config) run(ctx context.Context, rows []*row, dryRun bool) error {
	p := plan{addrs: map[netip.Addr]bool{}, clients: map[clientIn]netip.Addr{}}
	written := 0
	var err error
	for from := 0; from < len(rows); from += batch {
		part := rows[from:min(from+batch, len(rows))]
		if err = c.runBatch(ctx, &p, part, dryRun); err != nil {
			err = fmt.Errorf("leases %d to %d are not imported, those before are: %w", from+1, from+len(part), err)
			break
		}
		written = p.imported
	}
	if dryRun || written == 0 {
		return err
	}
	entry := fleet.AuditEntry{Time: c.Now(), Actor: access.Of(ctx).Name, From: access.Of(ctx).From, Action: fmt.Sprintf("import %d leases", written)}
	return errors.Join(err, c.Audit.RecordAudit(entry))
}

// runBatch returns when the batch is on disk.
func (c Config) runBatch(ctx context.Context, p *plan, part []*row, dryRun bool) error {
	done := make(chan error, 1)
	c.Table.Serve(func(now time.Time, leases *leasetable.Leases) dhcp.Decision {
		changes := p.decide(part, now, leases)
		if dryRun {
			changes = nil
		}
		return dhcp.Decision{Changes: changes}
	}, func(_ *dhcp.Decision, err error) { done <- err })
	c.Table.WriteQueued()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// plan has what earlier rows of the import took, which the table does not have in a dry run or before a batch is written.
type plan struct {
	addrs    map[netip.Addr]bool
	clients  map[clientIn]netip.Addr
	imported int
}

type clientIn struct {
	subnet netip.Prefix
	mac    dhcp.MAC
}

// decide gives the remaining rows their verdicts and returns the leases to write.
func (p *plan) decide(rows []*row, now time.Time, leases *leasetable.Leases) (changes []dhcp.Change) {
	for _, r := range rows {
		if r.Verdict != "" {
			continue
		}
		if r.judge(now, leases); r.Verdict != "" {
			continue
		}
		at := clientIn{r.subnet, r.MAC}
		if p.addrs[r.IP] {
			r.set(client.LeaseConflict, "an earlier row has the address")
			continue
		}
		if other, ok := p.clients[at]; ok {
			r.set(client.LeaseConflict, "an earlier row gives the client %s in the same subnet", other)
			continue
		}
		p.addrs[r.IP], p.clients[at] = true, r.IP
		p.imported++
		r.Verdict = client.LeaseImported
		changes = append(changes, dhcp.Change{Lease: r.lease(now)})
	}
	return changes
}

// judge compares a row with the lease table. It leaves the verdict empty when nothing prevents the import.
func (r *row) judge(now time.Time, leases *leasetable.Leases) {
	if !r.Expires.IsZero() && !r.Expires.After(now) {
		r.set(client.LeaseExpired, "it ended at %s", r.Expires.UTC().Format(time.RFC3339))
		return
	}
	inForce := func(l dhcp.Lease, ok bool) bool { return ok && l.State == dhcp.LeaseActive && l.Expires.After(now) }
	if l, ok := leases.At(r.IP); inForce(l, ok) {
		if l.MAC == r.MAC {
			r.Verdict = client.LeaseSame
			return
		}
		r.set(client.LeaseConflict, "address is leased to %s until %s here", l.MAC, l.Expires.UTC().Format(time.RFC3339))
		return
	}
	if l, ok := leases.Of(r.subnet, r.MAC); inForce(l, ok) {
		r.set(client.LeaseConflict, "the client has %s here until %s", l.Addr, l.Expires.UTC().Format(time.RFC3339))
		return
	}
	if !leases.Leasable(r.IP, r.reserved) {
		r.set(client.LeaseOutside, "address is in no pool of subnet %s, or excluded", r.subnet)
		return
	}
	if text := leases.Refusal(r.IP, r.MAC, true, r.reserved); text != "" {
		r.set(client.LeaseConflict, "%s", text)
	}
}

// lease returns the row as a lease of ours. Times are whole seconds; none is in the future but the end, which is a year away at most.
func (r *row) lease(now time.Time) dhcp.Lease {
	now = now.UTC().Truncate(time.Second)
	l := dhcp.Lease{Addr: r.IP, MAC: r.MAC, Subnet: r.subnet, State: dhcp.LeaseActive, Hostname: dhcp.Printable(r.Hostname, 63), Phone: r.phone,
		Starts: r.Starts.UTC().Truncate(time.Second), Expires: r.Expires.UTC().Truncate(time.Second)}
	if id, err := hex.DecodeString(r.ClientID); err == nil && len(id) <= 255 {
		l.ClientID = string(id)
	}
	if r.Starts.IsZero() || l.Starts.After(now) {
		l.Starts = now
	}
	if end := now.Add(longest); r.Expires.IsZero() || l.Expires.After(end) {
		l.Expires = end
	}
	l.FirstSeen = l.Starts
	return l
}
