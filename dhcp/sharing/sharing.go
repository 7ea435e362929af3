// Package sharing divides the clients and the addresses of a subnet among the servers that share it.
//
// Servers is what one server has learned of the others. It decides who answers and which addresses are offered, so that servers seldom do the
// same work. It may be out of date: that no address is bound to two clients depends on the store of the leases alone.
package sharing

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Member is one server of a shared subnet.
type Member struct {
	Name     string
	ServerID netip.Addr // option 54 of its replies in this subnet
	Alive    bool       // it renews its registration
}

// Subnets holds the servers of each shared subnet.
type Subnets map[netip.Prefix]*Servers

// Has reports whether id is the server identifier of another server of a shared subnet.
func (s Subnets) Has(id netip.Addr) bool {
	for _, v := range s {
		if _, ok := v.Other(id); ok {
			return true
		}
	}
	return false
}

// Servers are the servers of one shared subnet, as one of them sees them. A value never changes.
type Servers struct {
	members []Member // sorted by name, this server included
	live    []int    // indexes of those that are alive
	self    int
	state   State
}

// State is what else a server has learned.
type State struct {
	Usable   bool  // leases can be bound now
	Complete bool  // all servers have been alive for SettleTime
	Received int64 // all servers have received which leases were given back up to this revision of the store
}

// SettleTime is for how long all servers must be alive to count as complete. It is longer than it takes to find that one is not.
const SettleTime = 10 * time.Second

// NewServers returns the servers of a subnet as the one named self sees them. self counts as alive, and is added when missing.
func NewServers(self string, members []Member, state State) *Servers {
	v := &Servers{members: slices.Clone(members), state: state}
	byName := func(a, b Member) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(v.members, byName)
	at, found := slices.BinarySearchFunc(v.members, Member{Name: self}, byName)
	if !found {
		v.members = slices.Insert(v.members, at, Member{Name: self})
	}
	v.self = at
	v.members[at].Alive = true
	for i, m := range v.members {
		if m.Alive {
			v.live = append(v.live, i)
		}
	}
	return v
}

// Usable reports whether leases of the subnet can be bound now. If not, it is not known either which servers are alive.
func (v *Servers) Usable() bool { return v.state.Usable }

// Complete reports whether all servers have been alive for SettleTime.
func (v *Servers) Complete() bool { return v.state.Complete }

// Received returns the revision of the store up to which all servers have received which leases were given back.
func (v *Servers) Received() int64 { return v.state.Received }

// Members returns the servers of the subnet, sorted by name.
func (v *Servers) Members() []Member { return v.members }

// buckets is the number of hash values that are divided among the servers (RFC 3074, 5).
const buckets = 256

// Server returns the live server that answers the client: the hash buckets are divided among the live ones in equal parts.
func (v *Servers) Server(mac [6]byte) Member {
	return v.members[v.live[int(Hash(mac[:]))*len(v.live)/buckets]]
}

// Mine reports whether this server answers the client.
func (v *Servers) Mine(mac [6]byte) bool { return v.Server(mac).Name == v.members[v.self].Name }

// Buckets returns the number of the 256 hash buckets that the server with the name answers.
func (v *Servers) Buckets(name string) int {
	n := 0
	for b := range buckets {
		if v.members[v.live[b*len(v.live)/buckets]].Name == name {
			n++
		}
	}
	return n
}

// Offers reports whether this server may offer the free address a while it has others: a is in its own share or in that of a server that is
// not alive. Shares are divided among all members, so that they stay the same when one fails.
func (v *Servers) Offers(a netip.Addr) bool {
	b := a.As4()
	i := int(binary.BigEndian.Uint32(b[:]) % uint32(len(v.members)))
	return i == v.self || !v.members[i].Alive
}

// Other returns the server, other than this one, that has the server identifier id.
func (v *Servers) Other(id netip.Addr) (Member, bool) {
	for i, m := range v.members {
		if i != v.self && id.IsValid() && m.ServerID == id {
			return m, true
		}
	}
	return Member{}, false
}
