package events

import (
	"encoding/json"
	"strconv"
	"time"

	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
)

// appendEntry appends the payload that dbfile.Encode makes of an entryRecord, in a quarter of the time (BenchmarkEncodeEntry): no other
// record is written as often. An error is that of a time after the year 9999.
func appendEntry(b []byte, e *timeline.Entry, number uint64) ([]byte, error) {
	o := object{b: append(b, dbfile.JSONVersion, '{')}
	o.time("time", e.Time)
	o.begin("mac")
	o.b, _ = e.MAC.AppendText(o.b) // there are no errors
	o.end()
	o.string("source", e.Source)
	o.string("event", e.Event)
	o.string("verdict", e.Verdict)
	o.optional("reason", e.Reason)
	if e.Addr.IsValid() {
		o.begin("addr")
		o.b = e.Addr.AppendTo(o.b)
		o.end()
	}
	o.optional("interface", e.Interface)
	o.optional("file", e.File)
	o.optional("kind", e.Kind)
	o.number("bytes", e.Bytes)
	o.optional("digest", e.Digest)
	o.optional("vendor", e.Vendor)
	o.optional("model", e.Model)
	o.optional("recognised", e.Recognised)
	o.optional("firmware", e.Firmware)
	o.optional("upstream", e.Upstream)
	if !e.UpstreamAt.IsZero() {
		o.time("upstream_at", e.UpstreamAt)
	}
	o.optional("options", e.Options)
	o.number("duration_ns", int64(e.Duration))
	o.number("repeat", int64(e.Repeat))
	o.optional("member", e.Member)
	o.number("number", int64(number))
	return append(o.b, '}'), o.err
}

// object is a JSON object to which members are appended.
type object struct {
	b   []byte
	err error
}

func (o *object) name(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), `":`...)
}

func (o *object) string(name, s string) {
	o.name(name)
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			o.b, o.err = append(o.b, quoted...), err
			return
		}
	}
	o.b = append(append(append(o.b, '"'), s...), '"')
}

// optional leaves out the empty string, and number 0.
func (o *object) optional(name, s string) {
	if s != "" {
		o.string(name, s)
	}
}

func (o *object) number(name string, n int64) {
	if n != 0 {
		o.name(name)
		o.b = strconv.AppendInt(o.b, n, 10)
	}
}

func (o *object) time(name string, t time.Time) {
	o.begin(name)
	b, err := t.AppendText(o.b)
	if err != nil {
		o.err = err
		return
	}
	o.b = b
	o.end()
}

// begin and end enclose a text without a character that needs escaping.
func (o *object) begin(name string) {
	o.name(name)
	o.b = append(o.b, '"')
}

func (o *object) end() { o.b = append(o.b, '"') }
