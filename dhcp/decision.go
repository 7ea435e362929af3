package dhcp

import (
	"net/netip"
	"time"
)

// Decision is what is to be done about one message.
type Decision struct {
	Reply     *Reply       // nil: silent
	Changes   []Change     // must be durable before the reply leaves
	Probe     netip.Addr   // valid: probe this address, report it by Table.Probed, then decide again; nothing is sent meanwhile
	Hold      netip.Addr   // valid: store this address as offered to the client
	DropOffer bool         // delete the offer to the client; comes before Hold
	Verify    []netip.Addr // shared addresses whose records must be in the common store as they are here, before the reply leaves
	Waits     Waits        // what to remember of the client's waiting for another server
	Event     Event
}

// Waits is what a decision means for the memory of clients that wait for another server of their subnet.
type Waits uint8

// The values of Waits.
const (
	WaitsUnchanged Waits = iota
	WaitsBegin           // the message was left to another server
	WaitsEnd             // the client has been answered
)

// Verdict is what was decided about a message: a closed set of words, used in timelines and as a metric label.
type Verdict string

// The verdicts. The sentence that explains one is Event.Reason.
const (
	VerdictOffered       Verdict = "offered"      // OFFER sent
	VerdictAcked         Verdict = "acked"        // ACK sent, lease on disk
	VerdictInformed      Verdict = "informed"     // ACK to an INFORM sent
	VerdictNak           Verdict = "nak"          // NAK sent
	VerdictProbing       Verdict = "probing"      // the address is being probed before it is offered; another decision follows
	VerdictReleased      Verdict = "released"     // lease given back
	VerdictDeclined      Verdict = "declined"     // address in quarantine
	VerdictSilent        Verdict = "silent"       // understood, and by the rules not answered
	VerdictOtherServer   Verdict = "other_server" // the client took another server's offer
	VerdictLeft          Verdict = "left"         // another server of the same subnet answers it
	VerdictExhausted     Verdict = "exhausted"    // no address is free for this client
	VerdictIgnored       Verdict = "ignored"      // not for us: type, subnet or sender that we don't serve
	VerdictMalformed     Verdict = "malformed"    // refused by wire.Decode
	VerdictInternalError Verdict = "fault"        // an internal error, such as a full disk: silent, so that the client tries again
	VerdictConflict      Verdict = "conflict"     // another host answered a probe of the address; of no client's message
)

// Verdicts lists all verdicts, for metrics that need every label from the start.
func Verdicts() []Verdict {
	return []Verdict{
		VerdictOffered, VerdictAcked, VerdictInformed, VerdictNak, VerdictProbing, VerdictReleased, VerdictDeclined, VerdictSilent,
		VerdictOtherServer, VerdictLeft, VerdictExhausted, VerdictIgnored, VerdictMalformed, VerdictInternalError, VerdictConflict,
	}
}

// Event is one decision, as the observer of the server receives it.
type Event struct {
	Time          time.Time
	MAC           MAC // zero when the packet could not be decoded
	XID           [4]byte
	Type          MessageType // of the client's message
	Interface     string
	Subnet        netip.Prefix
	Addr          netip.Addr // offered, leased, refused, released or probed
	Verdict       Verdict
	Reason        string     // one plain sentence
	Server        netip.Addr // other_server: the server that the client named; else zero
	Holder        MAC        // conflict: the hardware address that answers for Addr; zero when it can't be seen
	Vendor, Model string
	Recognised    string     // see Policy
	Relay         netip.Addr // ignored: the relay that no configured subnet has; else zero
	Phone         bool
	Recorded      bool
	Probed        bool    // it waited for the result of an address probe
	NewLease      bool    // acked: this MAC had no lease in this subnet before
	Vacated       []Lease // acked: the client's other leases in force, which this one ended, as they were before
	Client        Client  // what the packet had of its sender
	Reply         *Reply  // what is sent; nil when silent
	Dropped       []uint8 // options that did not fit, filled in after Encode
}
