package provision

import (
	"io"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/provision/trust"
	"plugtone/provision/uploads"
)

// Request is one requested file. The zero values mean "not known".
type Request struct {
	Time      time.Time
	Transport fleet.Transport
	Method    string // GET, HEAD, PUT, POST; TFTP: GET for RRQ, PUT for WRQ
	Name      string // as requested: unescaped, before any cleaning
	From      netip.Addr
	Local     netip.AddrPort // the local address that received it
	UserAgent string
	Size      int64 // PUT, POST: what is announced; 0 or less: not given
	// Certificate is the client certificate that has been verified; nil without one.
	Certificate *Certificate
	// Authorization is the header of that name as it came. Its digest may be for another spelling of the same path.
	Authorization string
	As            dhcp.MAC     // Preview only: answer as this phone would be answered
	Uncached      bool         // Preview only: caches are read and not filled, for the phone has not sent the request
	Masked        bool         // Preview only: secrets are printed as ***
	Subnet        netip.Prefix // Preview only: as in this subnet; zero: the phone's own
	Waits         func()       // called before the answer waits for a PBX, for some seconds at most; nil: not
}

// Outcome is what became of a request. The words are metric labels and verdicts of the timeline.
type Outcome string

// The outcomes.
const (
	Served        Outcome = timeline.Served
	NotModified   Outcome = timeline.NotModified // set by httpprov
	NotFound      Outcome = "not_found"          // no file has the name, or it must look so to this requester
	Expected404   Outcome = "expected"           // requested although nothing is there; never counted as a failure
	Refused       Outcome = timeline.Refused     // no proof: the requester sees the same as NotFound
	InternalError Outcome = "fault"              // HTTP 503, TFTP silence
	Received      Outcome = "received"           // an upload is accepted
	Rejected      Outcome = "rejected"           // an upload of a proven phone isn't stored: too large, or it ended early
	Aborted       Outcome = "aborted"            // the client ended the connection or the transfer before it had everything
)

// Answer is the answer to a request, with the verdict that goes to timeline, log and metrics.
type Answer struct {
	Outcome    Outcome
	Reason     string   // one plain sentence, for the operator; never sent to the requester
	MAC        dhcp.MAC // the phone this is about; zero when unknown
	Vendor     string
	Model      string
	Recognised string            // the vendor that a proven phone's user agent names, when its record names another; else ""
	Firmware   string            // from the user agent
	Kind       string            // device, private, common, firmware, static, none, upload
	Name       string            // cleaned name
	Body       []byte            // rendered bytes; shared, never to be changed
	Content    io.ReadSeekCloser // static files: instead of Body; the caller closes it
	Size       int64
	Upload     *uploads.Upload // Received: where the bytes go; the caller ends it with Receive
	MediaType  string
	ETag       string                 // strong, with quotes
	Digest     string                 // SHA-256 of Body, hex
	Status     int                    // HTTP status for an unproven or failed request: 404, 401, 503; 0 when Served
	Challenge  string                 // WWW-Authenticate for Status 401, one a line; without one httpprov answers 404
	Delay      time.Duration          // the refusal is to be sent only then: requesters of too many phones' files are slowed
	Silent     bool                   // nothing is to be sent at all: TFTP sends nothing, HTTP ends the connection
	Proof      trust.Proof            // by which the requester proved itself; "" when it didn't
	Known      bool                   // it proved itself to be a phone that has a record: its request comes before those of others
	Port       string                 // switch port (option 82) of the proven phone's lease; "" when none is known
	OwnProof   time.Time              // when the proven phone proved itself last by its own credentials or certificate; zero: never
	Given      time.Time              // when a file gave it its credentials first; zero: never
	Upstream   *devicestatus.Upstream // of a file that a PBX renders; nil for others
	Old        bool                   // the PBX did not answer: this is what it answered before
	Err        error                  // behind InternalError
}
