package client

import (
	"context"
	"net/netip"
	"time"
)

// ClusterStatus is the state of a cluster as one member sees it.
type ClusterStatus struct {
	Enabled   bool            `json:"enabled" doc:"false on a single appliance: nothing else is set"`
	Name      string          `json:"name,omitempty" doc:"of this member"`
	Connected bool            `json:"connected" doc:"etcd takes this member's signs of life; without, records can't be changed here"`
	Problem   string          `json:"problem,omitempty" doc:"why it is not connected"`
	Etcd      []EtcdServer    `json:"etcd,omitempty" doc:"the servers of the configuration"`
	Records   ClusterRecords  `json:"records" doc:"this member's copy of the records"`
	Members   []ClusterMember `json:"members,omitempty" doc:"those that are registered, in order of name"`
	Shared    []SharedSubnet  `json:"shared_subnets,omitempty" doc:"who answers which clients in the shared subnets of this member"`
	Conflicts []string        `json:"conflicts,omitempty" doc:"subnets that this member and another one must not both serve: addresses may be leased twice"`
}

// SharedSubnet is who answers which clients in a subnet that several members serve.
type SharedSubnet struct {
	Subnet  netip.Prefix   `json:"subnet" doc:"network"`
	Usable  bool           `json:"usable" doc:"leases can be bound in etcd; else only known ones go on, and it is not known which members are alive"`
	Servers []SubnetServer `json:"servers" doc:"the members that share it, in order of name"`
}

// SubnetServer is a member's part in a shared subnet.
type SubnetServer struct {
	Member    string     `json:"member" doc:"name"`
	ServerID  netip.Addr `json:"server_id,omitzero" doc:"option 54 of its replies"`
	Alive     bool       `json:"alive" doc:"it runs and reaches etcd"`
	Percent   int        `json:"percent" doc:"part of the clients that it answers, by the hash of their MAC (RFC 3074)"`
	AwaySince time.Time  `json:"away_since,omitzero" doc:"since when this member has noticed that it is not alive, and the others answer its clients"`
}

// EtcdServer is a server of etcd.
type EtcdServer struct {
	Endpoint string `json:"endpoint" doc:"URL"`
	Problem  string `json:"problem,omitempty" doc:"why it can't be used; absent when it answers"`
}

// ClusterRecords is the state of a member's copy of the records.
type ClusterRecords struct {
	Cluster    string  `json:"cluster,omitempty" doc:"names the records; absent when this appliance has no copy yet"`
	Applied    uint64  `json:"applied" doc:"number of the newest change that this copy has"`
	Head       uint64  `json:"head" doc:"number of the newest change that this member has seen"`
	Behind     uint64  `json:"behind" doc:"changes that it has seen and not applied"`
	LagSeconds float64 `json:"lag_seconds" doc:"for how long it may lack changes"`
	Snapshot   string  `json:"snapshot,omitempty" doc:"newest copy of all records in etcd"`
	Problem    string  `json:"problem,omitempty" doc:"why it does not follow; absent while it does"`
}

// ClusterMember is a member of a cluster.
type ClusterMember struct {
	Name    string         `json:"name" doc:"cluster.name of its configuration"`
	Self    bool           `json:"self,omitempty" doc:"the member that answers"`
	Alive   bool           `json:"alive" doc:"it runs and reaches etcd"`
	Version string         `json:"version" doc:"of its plugtone"`
	Schema  uint64         `json:"schema" doc:"of its records"`
	Address string         `json:"address,omitempty" doc:"that other members use"`
	Subnets []MemberSubnet `json:"subnets,omitempty" doc:"that it serves"`
	Copies  *CopyState     `json:"copies,omitempty" doc:"how far this member has copied what phones have uploaded to that one and fetched from it; absent when it does not copy it"`
}

// CopyState is how far uploads and fetches of another member are copied.
type CopyState struct {
	Waiting  int       `json:"waiting" doc:"uploads and fetches that are known and not copied yet"`
	Problem  string    `json:"problem,omitempty" doc:"why they are not copied"`
	Since    time.Time `json:"since,omitzero" doc:"of the problem"`
	Complete time.Time `json:"complete,omitzero" doc:"when all of them were copied last"`
}

// MemberSubnet is a subnet that a member serves.
type MemberSubnet struct {
	Subnet   netip.Prefix `json:"subnet" doc:"network"`
	Shared   bool         `json:"shared,omitempty" doc:"several members serve it"`
	ServerID netip.Addr   `json:"server_id,omitzero" doc:"option 54 of the member's replies"`
}

// Cluster reads the state of the cluster as the daemon sees it.
func (c Network) Cluster(ctx context.Context) (out ClusterStatus, err error) {
	return out, c.conn.get(ctx, "/cluster", nil, &out)
}
