package etcd

import (
	"context"
	"encoding/json"
	"net/netip"
	"reflect"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Received is up to which revisions of etcd a running member has received, and keeps, which leases of its shared subnets were given back.
type Received struct {
	ID        string                 `json:"id,omitempty"` // of what etcd has: revisions of another one have no meaning
	Revisions map[netip.Prefix]int64 `json:"revisions,omitempty"`
}

// SetReceived makes the other members receive, with the next sign of life, what this one has received.
func (m *Members) SetReceived(s Received) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.received = s
}

// published is what other members have been given with a lease.
type published struct {
	lease    clientv3.LeaseID
	received Received
}

// announce writes what has changed of this member, as soon as etcd takes it. It is apart from the signs of life: no write holds them up.
func (m *Members) announce(ctx context.Context) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	last := published{}
	for changed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-m.again:
			changed = true
		case <-tick.C:
		}
		if m.Connected() != nil {
			continue
		}
		m.publish(ctx, &last)
		if !changed {
			continue
		}
		err := m.client.Put(ctx, membersPrefix+m.Self().Name, m.value())
		if changed = err != nil; changed {
			m.log.Debug("etcd has not what has changed of this member", "err", err)
		}
	}
}

// publish writes what this member has received, if that has changed. The key is this member's while the lease is.
func (m *Members) publish(ctx context.Context, last *published) {
	m.mu.Lock()
	lease := m.lease
	now := published{lease, m.received}
	m.mu.Unlock()
	if last.lease != lease {
		*last = published{lease: lease}
	}
	if reflect.DeepEqual(now, *last) {
		return
	}
	value, err := json.Marshal(alive{m.instance, now.received})
	if err == nil {
		err = m.client.Put(ctx, alivePrefix+m.Self().Name, string(value), clientv3.WithLease(lease))
	}
	if err != nil {
		m.log.Debug("what this member has received of the shared leases is not in etcd", "err", err)
		return
	}
	*last = now
}
