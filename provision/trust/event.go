package trust

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// EventKind is what an Event is about: a closed set of words, used as a metric label and as a verdict in timelines.
type EventKind string

// The kinds of security events.
const (
	EventContradiction EventKind = "contradiction" // the evidence of a request contradicts itself
	EventPortChanged   EventKind = "port_changed"  // a phone is behind another switch port than at its first proven fetch
	EventFrozen        EventKind = "frozen"        // leases of new phones are no proof for now
	EventThawed        EventKind = "thawed"        // they are proof again
	EventSlowed        EventKind = "slowed"        // a requester of many phones' files in one of our subnets is answered slowly
	EventShutOut       EventKind = "shut_out"      // the same outside of the leased subnets: it gets no answer for a while
	EventEnroll        EventKind = "enroll"        // an operator has opened or closed an enrollment window
	EventStepUp        EventKind = "step_up"       // a phone came without the credentials that it has used before
	EventManyPhones    EventKind = "many_phones"   // many known phones were bound early and fetched within a minute
	EventSecondLease   EventKind = "second_lease"  // a phone has leases in two subnets at once
	EventPassword      EventKind = "password_guessing"
)

// EventKinds lists all kinds, for metrics that show every label from the start.
func EventKinds() []EventKind {
	return []EventKind{EventContradiction, EventPortChanged, EventFrozen, EventThawed, EventSlowed, EventShutOut, EventEnroll,
		EventStepUp, EventManyPhones, EventSecondLease, EventPassword}
}

// Event is a security event: something about trust that an operator should see.
type Event struct {
	Time   time.Time
	Kind   EventKind
	MAC    dhcp.MAC   // the phone that it is about; zero when it is about none, or many
	Addr   netip.Addr // the requester; zero when there is none
	Reason string     // one plain sentence
}
