package observe

import (
	"cmp"
	"errors"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"plugtone/dhcp"
	"plugtone/dhcp/server"
	"plugtone/httpprov"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/syslog"
	"plugtone/provision/trust"
)

// Metrics are incremented once for each decision. Their labels are closed sets: no packet can add a label value.
type Metrics struct {
	Registry *prometheus.Registry

	messages, verdicts, dropped  *prometheus.CounterVec
	replySeconds, unprobed       *prometheus.HistogramVec
	files, fileBytes             *prometheus.CounterVec
	fileSeconds                  *prometheus.HistogramVec
	ofTransport                  map[fleet.Transport]transportMetrics
	ofType                       map[string]typeMetrics
	ofVerdict                    map[dhcp.Verdict]prometheus.Counter
	otherServers                 prometheus.Counter
	otherResponders              prometheus.Counter
	broadcasts                   prometheus.Counter
	reloadOK, reloadTime         prometheus.Gauge
	alarms, handshakes, phoneLog *prometheus.CounterVec
}

// NewMetrics returns the metrics of a daemon of this version, registered in a registry of their own.
func NewMetrics(version string) (*Metrics, error) {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	seconds := func(name, help, label string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help,
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10}}, []string{label})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		Registry:     prometheus.NewPedanticRegistry(),
		messages:     counters("plugtone_dhcp_messages_total", "DHCP messages that were decided about, by the client's message type.", "type"),
		verdicts:     counters("plugtone_dhcp_verdicts_total", "DHCP decisions.", "verdict"),
		alarms:       counters("plugtone_security_events_total", "Security events, by kind.", "event"),
		handshakes:   counters("plugtone_tls_handshake_failures_total", "TLS handshakes with HTTPS clients that failed.", "reason"),
		phoneLog:     counters("plugtone_syslog_messages_total", "Datagrams that came to the syslog listener, by what became of them.", "outcome"),
		dropped:      counters("plugtone_dhcp_dropped_total", "DHCP packets without a decision, and replies that could not leave.", "reason"),
		replySeconds: seconds("plugtone_dhcp_reply_seconds", "Time from reading a DHCP message until its reply has left.", "type"),
		unprobed:     seconds("plugtone_dhcp_reply_unprobed_seconds", "The same time, of messages that waited for no address probe.", "type"),
		files:        counters("plugtone_files_total", "File requests, by what became of them.", "transport", "outcome"),
		fileBytes:    counters("plugtone_file_bytes_total", "Bytes of files sent.", "transport"),
		fileSeconds:  seconds("plugtone_file_seconds", "Time from a file request until its last byte.", "transport"),
		otherServers: prometheus.NewCounter(prometheus.CounterOpts{Name: "plugtone_rogue_dhcp_offers_total",
			Help: "OFFERs and ACKs of other DHCP servers that were seen on our links."}),
		otherResponders: prometheus.NewCounter(prometheus.CounterOpts{Name: "plugtone_other_pnp_responders_total",
			Help: "Times that another host answered our SUBSCRIBE for SIP PnP."}),
		broadcasts: prometheus.NewCounter(prometheus.CounterOpts{Name: "plugtone_dhcp_broadcast_fallbacks_total",
			Help: "Replies that went by broadcast because no raw frame could be sent."}),
		reloadOK:   gauge("plugtone_config_reload_success", "1 when the last reload of the configuration was accepted, else 0."),
		reloadTime: gauge("plugtone_config_reload_success_timestamp_seconds", "When a configuration was last accepted."),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "plugtone_build_info", Help: "1, with the version as label.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	m.fill()
	var errs []error
	for _, c := range []prometheus.Collector{build, m.messages, m.verdicts, m.dropped, m.replySeconds, m.unprobed, m.files, m.fileBytes, m.fileSeconds,
		m.otherServers, m.otherResponders, m.broadcasts, m.reloadOK, m.reloadTime, m.alarms, m.handshakes, m.phoneLog, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		errs = append(errs, m.Registry.Register(c))
	}
	return m, errors.Join(errs...)
}

// typeLabels are those of the messages that clients send; anything else is counted as other.
var typeLabels = map[dhcp.MessageType]string{dhcp.MessageTypeDiscover: "discover", dhcp.MessageTypeRequest: "request",
	dhcp.MessageTypeDecline: "decline", dhcp.MessageTypeRelease: "release", dhcp.MessageTypeInform: "inform"}

func typeLabel(t dhcp.MessageType) string { return cmp.Or(typeLabels[t], "other") }

// transports and outcomes are all that a file request can be counted under.
var (
	transports = [...]fleet.Transport{fleet.TFTP, fleet.HTTP, fleet.HTTPS}
	outcomes   = [...]provision.Outcome{provision.Served, provision.NotModified, provision.NotFound, provision.Expected404, provision.Refused, provision.InternalError, provision.Received, provision.Rejected, provision.Aborted}
)

// fill makes every label exist from the start, so that a rate over them is never missing.
func (m *Metrics) fill() {
	m.ofType = map[string]typeMetrics{}
	for _, label := range append(slices.Collect(maps.Values(typeLabels)), "other") {
		m.ofType[label] = typeMetrics{m.messages.WithLabelValues(label), m.replySeconds.WithLabelValues(label), m.unprobed.WithLabelValues(label)}
	}
	for _, k := range trust.EventKinds() {
		m.alarms.WithLabelValues(string(k))
	}
	for _, o := range syslog.Outcomes() {
		m.phoneLog.WithLabelValues(o)
	}
	for _, r := range httpprov.HandshakeReasons() {
		m.handshakes.WithLabelValues(string(r))
	}
	m.ofVerdict = map[dhcp.Verdict]prometheus.Counter{}
	for _, v := range dhcp.Verdicts() {
		m.ofVerdict[v] = m.verdicts.WithLabelValues(string(v))
	}
	for _, why := range server.Drops() {
		m.dropped.WithLabelValues(string(why))
	}
	m.ofTransport = map[fleet.Transport]transportMetrics{}
	for _, t := range transports {
		files := map[provision.Outcome]prometheus.Counter{}
		for _, o := range outcomes {
			files[o] = m.files.WithLabelValues(string(t), string(o))
		}
		m.ofTransport[t] = transportMetrics{files, m.fileBytes.WithLabelValues(string(t)), m.fileSeconds.WithLabelValues(string(t))}
	}
}

func (m *Metrics) decided(ev *dhcp.Event, took time.Duration) {
	t := m.ofType[typeLabel(ev.Type)]
	if ev.Verdict != dhcp.VerdictProbing && ev.Verdict != dhcp.VerdictConflict { // there is another decision about the message
		t.messages.Inc()
	}
	if verdicts := m.ofVerdict[ev.Verdict]; verdicts != nil {
		verdicts.Inc()
	}
	if ev.Reply != nil {
		t.seconds.Observe(took.Seconds())
		if !ev.Probed {
			t.unprobed.Observe(took.Seconds())
		}
	}
}

// typeMetrics are the series of one type of message, found once.
type typeMetrics struct {
	messages prometheus.Counter
	seconds  prometheus.Observer
	unprobed prometheus.Observer // seconds of those that waited for no address probe
}

// transportMetrics are the series of one transport, found once.
type transportMetrics struct {
	files   map[provision.Outcome]prometheus.Counter
	bytes   prometheus.Counter
	seconds prometheus.Observer
}

func (m *Metrics) answered(r provision.Request, a provision.Answer, sent int64, took time.Duration) {
	t, ok := m.ofTransport[r.Transport]
	if !ok {
		return // a preview
	}
	if files := t.files[a.Outcome]; files != nil {
		files.Inc()
	}
	t.bytes.Add(float64(max(sent, 0)))
	t.seconds.Observe(took.Seconds())
}

// Reloaded notes what became of a configuration.
func (m *Metrics) Reloaded(ok bool, now time.Time) {
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadTime.Set(float64(now.Unix()))
}
