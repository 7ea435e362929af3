package observe

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"plugtone/dhcp"
)

// The time of a reply that waited for an address probe is in one histogram only.
func TestReplyTimesAreKnownWithoutProbes(t *testing.T) {
	b := newFixture(t)
	for _, probed := range []bool{true, false, true} {
		b.Decided(&dhcp.Event{Time: noon, MAC: phoneMAC, Type: dhcp.MessageTypeDiscover, Verdict: dhcp.VerdictOffered, Addr: leased, Probed: probed, Reply: &dhcp.Reply{}}, time.Second)
	}
	counted := func(h *prometheus.HistogramVec) uint64 {
		t.Helper()
		var m dto.Metric
		if err := h.WithLabelValues("discover").(prometheus.Metric).Write(&m); err != nil {
			t.Fatal(err)
		}
		return m.GetHistogram().GetSampleCount()
	}
	if all, unprobed := counted(b.cfg.Metrics.replySeconds), counted(b.cfg.Metrics.unprobed); all != 3 || unprobed != 1 {
		t.Errorf("%d replies, %d without a probe", all, unprobed)
	}
}

func TestOddEventsOfTheNetworkAreCounted(t *testing.T) {
	b := newFixture(t)
	b.Fallback(errors.New("no CAP_NET_RAW"))
	b.OtherResponder("voice0", leased)
	b.OtherResponder("voice0", leased)
	if broadcasts, responders := testutil.ToFloat64(b.cfg.Metrics.broadcasts), testutil.ToFloat64(b.cfg.Metrics.otherResponders); broadcasts != 1 || responders != 2 {
		t.Errorf("%v broadcasts, %v responders", broadcasts, responders)
	}
}
