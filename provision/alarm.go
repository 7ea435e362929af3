package provision

import (
	"net/netip"
	"time"
)

// AlarmKind is what an Alarm is about: a closed set of words, used as a metric label and as a verdict in timelines.
type AlarmKind string

// The kinds of alarms.
const (
	AlarmContradiction AlarmKind = "contradiction" // the evidence of a request contradicts itself
	AlarmPort          AlarmKind = "port_changed"  // a phone is behind another switch port than at its first proven fetch
	AlarmFrozen        AlarmKind = "frozen"        // leases of new phones have stopped to be proof
	AlarmThawed        AlarmKind = "thawed"        // they are proof again
	AlarmSlowed        AlarmKind = "slowed"        // who asks for many phones' files on one of our subnets is answered slowly
	AlarmShutOut       AlarmKind = "shut_out"      // the same elsewhere: no answer for a while
	AlarmEnroll        AlarmKind = "enroll"        // a window has been opened or closed by hand
)

// AlarmKinds lists all kinds, for metrics that want every label from the start.
func AlarmKinds() []AlarmKind {
	return []AlarmKind{AlarmContradiction, AlarmPort, AlarmFrozen, AlarmThawed, AlarmSlowed, AlarmShutOut, AlarmEnroll}
}

// Alarm is something about trust that an operator should know.
type Alarm struct {
	Time   time.Time
	Kind   AlarmKind
	MAC    MAC        // the phone that it is about; zero when it is about none, or many
	Addr   netip.Addr // the requester; zero when there is none
	Reason string     // one plain sentence
}
