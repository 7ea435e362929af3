package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	membersPrefix = "members/"
	alivePrefix   = "alive/"
	// aliveTTL is how long a member counts as alive after its last sign of life, in seconds.
	aliveTTL = 3
	// aliveEvery is how often it gives one. A call that hangs is given up after it.
	aliveEvery = time.Second
	// nextServerAfter is how long a sign of life waits for one server of etcd before it also goes to the next.
	nextServerAfter = aliveEvery / 4
	// checkEvery is how often it is checked that etcd is no older than what its watches have reported.
	checkEvery = 5 * time.Second
)

// Member is one appliance of a cluster.
type Member struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Schema      uint64   `json:"schema"`                // of its records
	Address     string   `json:"address,omitempty"`     // that other members use, host:port
	Certificate string   `json:"certificate,omitempty"` // of that address, sealed with the key of the cluster and bound to the name
	Subnets     []Subnet `json:"subnets,omitempty"`     // that it serves

	Alive    bool     `json:"-"`
	Instance string   `json:"-"` // of the running process; "" when it is not alive
	Received Received `json:"-"` // while it is alive
}

// Subnet is a subnet that a member serves.
type Subnet struct {
	Prefix   netip.Prefix `json:"prefix"`
	Shared   bool         `json:"shared,omitempty"`
	Pools    []string     `json:"pools,omitempty"` // ranges
	ServerID netip.Addr   `json:"server_id,omitzero"`
}

// alive is the value of an alive key.
type alive struct {
	Instance string   `json:"instance"`
	Received Received `json:"received,omitzero"`
}

// Members registers this member and follows which others are registered and alive.
type Members struct {
	client   *Client
	instance string // of this process
	now      func() time.Time
	log      *slog.Logger

	mu       sync.Mutex
	self     Member
	all      map[string]Member // by name
	received Received          // of this member
	alive    map[string]alive  // by name
	listed   bool              // all and alive are what etcd has, or had when it was last reached
	signedAt time.Time         // when this member last gave a sign of life
	problem  error             // why etcd was not reached last; nil when it was
	waiting  []func()
	again    chan struct{}    // holds a token when self has changed
	lease    clientv3.LeaseID // that the alive key is bound to, or NoLease; written by keepAlive alone
}

// NewMembers returns the list of a cluster's members. instance names this process and no other.
func NewMembers(c *Client, self Member, instance string, now func() time.Time, log *slog.Logger) *Members {
	return &Members{client: c, self: self, instance: instance, now: now, log: log, all: map[string]Member{}, alive: map[string]alive{},
		problem: errors.New("etcd has not answered yet"), again: make(chan struct{}, 1)}
}

// Notify makes f be called after each change of the list, on a goroutine that must not be held up. Call it before Run.
func (m *Members) Notify(f func()) { m.waiting = append(m.waiting, f) }

// Self returns the member that this process is.
func (m *Members) Self() Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.self
}

// SetSelf registers other values of this member.
func (m *Members) SetSelf(self Member) {
	m.mu.Lock()
	same := reflect.DeepEqual(m.self, self)
	m.self = self
	m.mu.Unlock()
	if same {
		return
	}
	select {
	case m.again <- struct{}{}:
	default:
	}
}

// value is what is registered of this member.
func (m *Members) value() string {
	b, err := json.Marshal(m.Self())
	if err != nil {
		panic(err) // every value of the type has a JSON form
	}
	return string(b)
}

// List returns the members that are registered, in the order of their names. It is the list of when etcd was last reached; ok is false if
// it never was.
func (m *Members) List() (list []Member, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.all)) {
		x := m.all[name]
		x.Name, x.Instance, x.Received = name, m.alive[name].Instance, m.alive[name].Received
		x.Alive = x.Instance != ""
		list = append(list, x)
	}
	return list, m.listed
}

// Connected returns nil while etcd takes this member's signs of life, else why not. A member that is not connected counts as dead for the
// others after 3 seconds.
func (m *Members) Connected() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.problem == nil && m.now().Sub(m.signedAt) > aliveTTL*time.Second {
		return fmt.Errorf("%w: the last sign of life of this member was taken %s ago", ErrUnavailable, m.now().Sub(m.signedAt).Round(time.Second))
	}
	return m.problem
}

// Run registers this member, keeps it alive and follows the list until ctx ends; then it is no longer alive for the others.
func (m *Members) Run(ctx context.Context) {
	var wait sync.WaitGroup
	wait.Go(func() { m.keepAlive(ctx) })
	wait.Go(func() { m.announce(ctx) })
	wait.Go(func() { m.follow(ctx) })
	wait.Wait()
}

// keepAlive gives a sign of life each second.
func (m *Members) keepAlive(ctx context.Context) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	lease := clientv3.NoLease
	for ctx.Err() == nil {
		err := m.sign(ctx, &lease)
		m.signed(lease, err)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	m.release(context.WithoutCancel(ctx), lease)
}

// sign keeps the lease, or registers with a new one.
func (m *Members) sign(ctx context.Context, lease *clientv3.LeaseID) error {
	if *lease == clientv3.NoLease {
		return m.register(ctx, lease)
	}
	err := m.client.call(ctx, func(ctx context.Context, a api) error { return keepOnce(ctx, a, *lease) })
	if err != nil && !errors.Is(err, ErrUnavailable) { // it has expired
		*lease = clientv3.NoLease
		return m.register(ctx, lease)
	}
	return err
}

// keepOnce keeps a lease by the first of three calls that succeeds. They begin one after the other, and go to servers in turn: one that hangs
// costs no time.
func keepOnce(ctx context.Context, a api, lease clientv3.LeaseID) (err error) {
	ctx, cancel := context.WithTimeout(ctx, aliveEvery)
	defer cancel()
	answers := make(chan error, 3)
	for range cap(answers) {
		go func() { _, err := a.KeepAliveOnce(ctx, lease); answers <- err }()
		select {
		case err = <-answers:
			return err
		case <-time.After(nextServerAfter):
		}
	}
	return <-answers
}

// register writes what this member is, and its alive key.
func (m *Members) register(ctx context.Context, lease *clientv3.LeaseID) error {
	name := m.Self().Name
	sign, err := json.Marshal(alive{Instance: m.instance})
	if err != nil {
		return err
	}
	granted := clientv3.NoLease
	err = m.client.call(ctx, func(ctx context.Context, a api) error {
		r, err := a.Grant(ctx, aliveTTL)
		if err == nil {
			granted = r.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	key := alivePrefix + name
	put := []clientv3.Op{clientv3.OpPut(membersPrefix+name, m.value()), clientv3.OpPut(key, string(sign), clientv3.WithLease(granted))}
	free, own := clientv3.Compare(clientv3.CreateRevision(key), "=", 0), clientv3.Compare(clientv3.Value(key), "=", string(sign))
	for _, condition := range []clientv3.Cmp{free, own} {
		r, err := m.client.Txn(ctx, []clientv3.Cmp{condition}, put, nil)
		if err != nil {
			return err
		}
		if r.Succeeded {
			*lease = granted
			return nil
		}
	}
	m.release(ctx, granted)
	return fmt.Errorf("another appliance that runs has the name %s: set cluster.name to another one on one of the two", name)
}

// release gives a lease back; what is bound to it is gone with it.
func (m *Members) release(ctx context.Context, lease clientv3.LeaseID) clientv3.LeaseID {
	if lease != clientv3.NoLease {
		_ = m.client.call(ctx, func(ctx context.Context, a api) error { _, err := a.Revoke(ctx, lease); return err }) // else it expires
	}
	return clientv3.NoLease
}

// signed notes the outcome of a sign of life.
func (m *Members) signed(lease clientv3.LeaseID, err error) {
	m.mu.Lock()
	was := m.problem
	m.lease, m.problem = lease, err
	if err == nil {
		m.signedAt = m.now()
	}
	m.mu.Unlock()
	if fmt.Sprint(err) == fmt.Sprint(was) {
		return
	}
	if err != nil {
		m.log.Warn("this member gives no sign of life in etcd: for the others it is not alive, and no record can be changed here", "err", err)
	} else {
		m.log.Info("this member is alive in etcd", "member", m.Self().Name)
	}
	m.changed()
}

// follow keeps the list as it is in etcd.
func (m *Members) follow(ctx context.Context) {
	for ctx.Err() == nil {
		_ = m.list(ctx) // keepAlive reports why etcd is not reached
		select {
		case <-ctx.Done():
		case <-time.After(aliveEvery):
		}
	}
}

// list reads the list, and follows its changes until the watch is lost, or etcd has lost its data: a watch does not report that.
func (m *Members) list(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := readMembers(ctx, m.client)
	if err != nil {
		return err
	}
	m.replace(r)
	m.changed()
	from := clientv3.WithRev(r.Header.Revision + 1)
	members, err := m.client.Watch(ctx, membersPrefix, clientv3.WithPrefix(), from)
	if err != nil {
		return err
	}
	alive, err := m.client.Watch(ctx, alivePrefix, clientv3.WithPrefix(), from)
	if err != nil {
		return err
	}
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for newest := r.Header.Revision; ; {
		var w clientv3.WatchResponse
		ok := false
		select {
		case w, ok = <-members:
		case w, ok = <-alive:
		case <-check.C:
			r, err := m.client.Get(ctx, membersPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
			if err != nil || r.Header.Revision < newest {
				return err
			}
			newest = r.Header.Revision
			continue
		}
		if err := w.Err(); err != nil || !ok {
			return unavailable(errors.Join(err, ctx.Err()))
		}
		m.apply(w.Events)
		newest = max(newest, w.Header.Revision)
	}
}

// readMembers reads both lists as of one moment.
func readMembers(ctx context.Context, c *Client) (*clientv3.TxnResponse, error) {
	return c.Txn(ctx, nil, []clientv3.Op{clientv3.OpGet(membersPrefix, clientv3.WithPrefix()), clientv3.OpGet(alivePrefix, clientv3.WithPrefix())}, nil)
}

// replace takes over what readMembers has read.
func (m *Members) replace(r *clientv3.TxnResponse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.all)
	clear(m.alive)
	for _, part := range r.Responses {
		for _, kv := range part.GetResponseRange().Kvs {
			m.set(string(kv.Key), kv.Value)
		}
	}
	m.listed = true
}

// apply makes changes that etcd reports.
func (m *Members) apply(events []*clientv3.Event) {
	m.mu.Lock()
	for _, e := range events {
		value := e.Kv.Value
		if e.Type == mvccpb.DELETE {
			value = nil
		}
		m.set(string(e.Kv.Key), value)
	}
	m.mu.Unlock()
	m.changed()
}

// set stores the value of a key, nil when it is gone. m.mu is held.
func (m *Members) set(key string, value []byte) {
	if name, ok := strings.CutPrefix(key, membersPrefix); ok {
		var x Member
		if value == nil {
			delete(m.all, name)
		} else if err := json.Unmarshal(value, &x); err != nil {
			m.log.Error("what a member has registered can't be read", "member", name, "err", err)
		} else {
			m.all[name] = x
		}
		return
	}
	name := strings.TrimPrefix(key, alivePrefix)
	var a alive
	if value == nil || json.Unmarshal(value, &a) != nil {
		delete(m.alive, name)
		return
	}
	m.alive[name] = a
}

func (m *Members) changed() {
	for _, f := range m.waiting {
		f()
	}
}

// Leave removes a member from the list. The member must not run, or it registers again.
func Leave(ctx context.Context, c *Client, name string) (was bool, err error) {
	n, err := c.Delete(ctx, membersPrefix+name)
	return n > 0, err
}

// ListMembers reads the list once.
func ListMembers(ctx context.Context, c *Client, log *slog.Logger) ([]Member, error) {
	m := NewMembers(c, Member{}, "", nil, log)
	r, err := readMembers(ctx, c)
	if err != nil {
		return nil, err
	}
	m.replace(r)
	list, _ := m.List()
	return list, nil
}
