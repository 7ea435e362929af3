package sharedleases

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/store/leases"
)

// A store that has lost its data, or was set back to an older copy of it, lacks leases that members have. It has another ID then, which the first
// member gives it that notices. A member whose leases are from a store with another ID brings those that it has before it reads the others, and binds
// none before that. All members bind none for holdTime, so that those that run can bring theirs before an address is given to another client.
const (
	holdTime   = time.Minute
	holdLease  = time.Millisecond // longer for each lease that is brought
	mergeBatch = 100              // leases in one transaction
	saveEvery  = time.Minute      // how often the revision is stored by which an older copy of the store is noticed
)

// Copy keeps where the leases of this member are from, beside them.
type Copy interface {
	LeaseOrigin() (leases.Origin, error)
	SetLeaseOrigin(leases.Origin) error
}

// origin is where the table's leases are from.
type origin struct {
	copy Copy

	mu    sync.Mutex
	now   leases.Origin
	known bool          // now was read
	saved time.Duration // when it was stored
}

// get returns where the table's leases are from.
func (o *origin) get() (leases.Origin, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		var err error
		if o.now, err = o.copy.LeaseOrigin(); err != nil {
			return o.now, err
		}
		o.known = true
	}
	return o.now, nil
}

// set stores where the table's leases are from. elapsed is the time now.
func (o *origin) set(to leases.Origin, elapsed time.Duration) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now, o.known, o.saved = to, true, elapsed
	return o.copy.SetLeaseOrigin(to)
}

// advance notes that the store has come to a revision, and stores that from time to time: by it the next start notices an older copy of the store.
func (o *origin) advance(revision int64, elapsed time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now.Revision = max(o.now.Revision, revision); elapsed-o.saved >= saveEvery {
		o.saved = elapsed
		_ = o.copy.SetLeaseOrigin(o.now) // the next one is stored
	}
}

// save stores the revision that the store has come to.
func (o *origin) save() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		return nil
	}
	return o.copy.SetLeaseOrigin(o.now)
}

// restart forgets what was read from a store that is not there any more.
func (l *Leases) restart(ctx context.Context, table *leasetable.Shared) error {
	select {
	case <-l.lost:
	default:
	}
	if !l.clock.lost() {
		return nil
	}
	l.cfg.Log.Error("etcd has lost leases, or was set back to an older copy: this member brings those that it has")
	l.timing.Lock()
	defer l.timing.Unlock()
	l.read.Store(false)
	l.notify()
	table.Forget() // before there is another ID: see Shared.Received
	return l.clock.forget(ctx)
}

// begin makes the clock of a store that has none, and reports whether this member has made it. No lease is bound until bring has ended the hold, or
// it has passed.
func (l *Leases) begin(ctx context.Context) (made bool, err error) {
	now := l.cfg.Wall().UTC()
	made, err = l.clock.create(ctx, reading{Time: now.UnixMilli(), ID: rand.Text(), Hold: now.Add(holdTime).UnixMilli()})
	if err != nil {
		return false, err
	}
	if err := l.readClock(ctx); err != nil {
		return false, err
	}
	if l.clock.now().IsZero() {
		return false, errors.New("the clock of the cluster is not known yet")
	}
	return made, nil
}

// bring writes the leases of the table into a store that they are not from, which has these records at a revision, and reports whether it was that.
// from is where they are from, read before the records: if its revision is higher than theirs, the store was set back. made: this member has made
// the clock.
func (l *Leases) bring(ctx context.Context, table *leasetable.Shared, from leases.Origin, records []Record, revision int64, made bool) (brought bool, err error) {
	older := from.ID == l.clock.id() // of the same store
	if older && revision >= from.Revision {
		return false, nil
	}
	own := table.Leases()
	if hold := holdTime + time.Duration(len(own))*holdLease; older {
		err = l.clock.change(ctx, rand.Text(), hold) // so that the other members bring theirs, too
	} else if made {
		err = l.clock.change(ctx, "", hold)
	}
	if err != nil {
		return false, err
	}
	if from.ID != "" {
		l.cfg.Doubt()
	}
	if err := l.merge(ctx, own, records); err != nil {
		return false, fmt.Errorf("write the leases of this member into etcd: %w", err)
	}
	if made && from.ID == "" { // there was no store before, of which other members could have leases
		err = l.clock.change(ctx, "", 0)
	}
	return true, err
}

// merge writes own leases into the store, where they are not less than what it has: see merged.
func (l *Leases) merge(ctx context.Context, own []dhcp.Lease, records []Record) error {
	there := make(map[string]Record, len(records))
	for _, r := range records {
		there[r.Key] = r
	}
	for len(own) > 0 {
		n := min(mergeBatch, len(own))
		if err := l.mergeBatch(ctx, own[:n], there); err != nil {
			return err
		}
		own = own[n:]
	}
	return nil
}

// mergeBatch writes some leases in one transaction. there is what the store has, as far as is known.
func (l *Leases) mergeBatch(ctx context.Context, own []dhcp.Lease, there map[string]Record) error {
	for {
		var t Txn
		for _, mine := range own {
			key := keyOf(mine.Subnet, mine.Addr)
			rec, ok := there[key]
			result, write := mine, true
			if ok {
				theirs, readable := l.changeOf(rec)
				if !readable {
					continue
				}
				result, write = l.merged(mine, theirs.Lease)
			}
			if write {
				t.If = append(t.If, Condition{key, rec.Revision})
				t.Else = append(t.Else, key)
				t.Then = append(t.Then, Write{Key: key, Value: leases.AppendLease(nil, result)})
			}
		}
		if len(t.Then) == 0 {
			return nil
		}
		r, err := l.cfg.Store.Txn(ctx, t)
		if err != nil || r.Done {
			return err
		}
		for _, key := range t.Else {
			delete(there, key)
		}
		for _, rec := range r.Read {
			there[rec.Key] = rec
		}
	}
}

// merged returns what an address has of which two stores had the records mine and theirs: the one in force, or of two of the same client the later one.
// If two clients may use the address, it is given to none until both leases have ended. write is false if the result is theirs.
func (l *Leases) merged(mine, theirs dhcp.Lease) (result dhcp.Lease, write bool) {
	now := l.clock.now()
	inForce := func(x dhcp.Lease) bool {
		return (x.State == dhcp.LeaseActive || x.State == dhcp.LeaseDeclined) && x.Expires.Add(leasetable.SharedMargin).After(now)
	}
	later := mine.Expires.After(theirs.Expires) || mine.Expires.Equal(theirs.Expires) && mine.Starts.After(theirs.Starts)
	switch {
	case !inForce(mine):
		return mine, later && !inForce(theirs)
	case !inForce(theirs):
		return mine, true
	case mine.MAC == theirs.MAC && mine.State == theirs.State:
		return mine, later
	case theirs.State == dhcp.LeaseDeclined && !later:
		return theirs, false
	}
	result = dhcp.Lease{Addr: mine.Addr, Subnet: mine.Subnet, State: dhcp.LeaseDeclined, FirstSeen: theirs.FirstSeen, Starts: now.Truncate(time.Second), Expires: theirs.Expires}
	if later {
		result.Expires = mine.Expires
	}
	result.Expires = result.Expires.Add(leasetable.SharedMargin)
	l.cfg.Log.Error("two clients have a lease of one address: it is given to none until both have ended", "addr", mine.Addr, "mac", mine.MAC, "other_mac", theirs.MAC, "until", result.Expires.Sub(now).Round(time.Second))
	return result, true
}
