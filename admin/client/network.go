package client

import (
	"context"
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// Network has the calls about what happened on the network lately.
type Network struct{ conn *conn }

// BootMinute is how many phones booted in one minute.
type BootMinute struct {
	Time  time.Time `json:"time" doc:"when the minute began" example:"2026-11-22T12:00:00Z"`
	Boots int       `json:"boots" doc:"phones that looked for an address (DHCP DISCOVER) in this minute; one that repeats itself within two minutes counts once" example:"12" minimum:"0"`
}

// Incident is something that is wrong on the network.
type Incident struct {
	Kind      string     `json:"kind" doc:"what it is: other_server (another DHCP server answers), conflict (another host uses an address of a pool), other_pnp (another host answers SIP PnP), or a security event" example:"other_server" enum:"other_server,conflict,other_pnp,contradiction,port_changed,frozen,slowed,shut_out,step_up,many_phones,second_lease,password_guessing"`
	FirstSeen time.Time  `json:"first_seen" doc:"when it was seen first" example:"2026-11-22T12:00:00Z"`
	LastSeen  time.Time  `json:"last_seen" doc:"when it was seen last" example:"2026-11-22T12:10:00Z"`
	Count     int        `json:"count" doc:"how often it was seen" example:"17" minimum:"1"`
	UnderWay  bool       `json:"under_way" doc:"whether it was seen in the last 15 minutes" example:"true"`
	IP        netip.Addr `json:"ip,omitzero" doc:"address of the host that it is about" example:"10.20.0.9"`
	MAC       dhcp.MAC   `json:"mac,omitzero" doc:"hardware address that it is about" example:"00:15:65:12:34:56"`
	Interface string     `json:"interface,omitempty" doc:"network interface on which it was seen" example:"eth1"`
	Reason    string     `json:"reason,omitempty" doc:"what was seen, in one sentence" example:"gave 10.20.1.7 to 00:15:65:12:34:56"`
}

// Incidents returns what was wrong on the network in the last day, what was seen last first.
func (c Network) Incidents(ctx context.Context) ([]Incident, error) {
	var out itemList[Incident]
	err := c.conn.get(ctx, "/incidents", nil, &out)
	return out.Items, err
}

// Boots returns how many phones booted in each minute of the last hour, the oldest first.
func (c Network) Boots(ctx context.Context) ([]BootMinute, error) {
	var out itemList[BootMinute]
	err := c.conn.get(ctx, "/boots", nil, &out)
	return out.Items, err
}
