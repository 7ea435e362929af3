package daemon

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
	"plugtone/provision/trust"
	"plugtone/store"
)

// outsider requests phones' files without a proof, from a service with its records on disk.
type outsider struct {
	*provision.Service
	t       *testing.T
	now     time.Time
	clients [3][]dhcp.MAC // with a record, with a disabled one, without any
}

// attempts are the ways in which an outsider may request a file.
var attempts = []struct {
	what, from string
	transport  fleet.Transport
	header     func(o *outsider, m dhcp.MAC) string
}{
	{"over tftp", "192.0.2.1", fleet.TFTP, nil},
	{"over http", "192.0.2.1", fleet.HTTP, nil},
	{"from an address that is leased to another", "10.20.1.9", fleet.HTTP, nil},
	{"with a wrong password", "192.0.2.1", fleet.HTTPS, func(_ *outsider, m dhcp.MAC) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(m.Hex()+":wrong"))
	}},
	{"with a wrong digest", "192.0.2.1", fleet.HTTPS, func(o *outsider, m dhcp.MAC) string {
		_, nonce, _ := strings.Cut(o.request(m, "192.0.2.1", fleet.HTTPS, "").Challenge, `nonce="`)
		nonce, _, _ = strings.Cut(nonce, `"`)
		return fmt.Sprintf(`Digest username="%s", realm="plugtone", nonce="%s", uri="/%s.cfg", response="%s"`, m.Hex(), nonce, m.Hex(), strings.Repeat("0", 32))
	}},
}

// newOutsider makes n phones of each sort. The recorded ones have fetched their files, as phones do.
func newOutsider(t *testing.T, n int) *outsider {
	t.Helper()
	o := &outsider{t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return o.now }
	st, err := store.Open(store.Config{Dir: t.TempDir(), Now: now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	voice := netip.MustParsePrefix("10.20.0.0/22")
	site := &fleet.Site{
		Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: voice, NextServer: netip.MustParseAddr("10.20.0.2")}}},
		Trust:   []trust.Proof{trust.ProofLease, trust.ProofCredentials},
	}
	leases, packs := &provisiontest.Leases{}, provisiontest.Packs(t)
	o.Service, err = provision.New(provision.Config{
		Records: st, Leases: leases, Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return site }, Now: now,
		Event: func(a trust.Event) { o.Recorded(a.MAC) }, // as the observer does, before the answer leaves
	})
	if err != nil {
		t.Fatal(err)
	}
	err = st.Edit("test", "phones", func(e fleet.Edit) error {
		for i := range 3 * n {
			m := dhcp.MAC{0x00, 0x15, 0x65, 0x50, byte(i >> 8), byte(i)}
			o.clients[i%3] = append(o.clients[i%3], m)
			if i%3 == 2 {
				continue
			}
			if err := e.PutDevice(&fleet.Device{MAC: m, Vendor: "acme", Model: "A4", Label: "Desk", Enabled: i%3 == 0, Credentials: trust.NewCredentials(m)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for s := range 2 {
		for i, m := range o.clients[s] {
			addr := netip.AddrFrom4([4]byte{10, 20, byte(2 + s), byte(i)}).String()
			leases.Lease(addr, m, voice.String(), o.now)
			if a := o.request(m, addr, fleet.HTTP, ""); a.Outcome != provision.Served {
				t.Fatalf("%s: %s, %s", m, a.Outcome, a.Reason)
			}
		}
	}
	// The records are changed again, so that nothing is cached.
	if err := st.Edit("test", "another", func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: dhcp.MAC{0x00, 0x15, 0x65, 0, 0, 1}, Vendor: "acme"})
	}); err != nil {
		t.Fatal(err)
	}
	leases.Lease("10.20.1.9", dhcp.MAC{0x00, 0x15, 0x65, 0, 0, 9}, voice.String(), o.now)
	return o
}

func (o *outsider) request(m dhcp.MAC, from string, transport fleet.Transport, header string) provision.Answer {
	o.t.Helper()
	return o.Answer(o.t.Context(), provision.Request{
		Time: o.now, Transport: transport, Method: "GET", Name: m.Hex() + ".cfg", From: netip.MustParseAddr(from), Authorization: header,
	})
}

// slower returns how often a phone of sort a took longer to be refused than one of sort b, each requested once, in any order.
// One half means that they can't be distinguished. With again, each file of sort a is requested twice.
func (o *outsider) slower(i, a, b int, again bool) float64 {
	attempt := attempts[i]
	took := func(m dhcp.MAC, n int) time.Duration {
		header := ""
		if attempt.header != nil {
			header = attempt.header(o, m)
		}
		began := time.Now()
		for range n {
			o.request(m, attempt.from, attempt.transport, header)
		}
		return time.Since(began)
	}
	times, longer := 1, 0
	if again {
		times = 2
	}
	for k := range o.clients[a] {
		var x, y time.Duration
		if rand.IntN(2) == 0 {
			x, y = took(o.clients[a][k], times), took(o.clients[b][k], 1)
		} else {
			y, x = took(o.clients[b][k], 1), took(o.clients[a][k], times)
		}
		if x > y {
			longer++
		}
	}
	return float64(longer) / float64(len(o.clients[a]))
}

// The time of an answer does not reveal whether a phone has a record. Each is requested once, so that caching for some would show.
// The measurement is repeated before the test fails: a busy machine may distort one of them. Phones that need twice the work show that
// the test can detect a difference.
func TestRefusalsOfKnownAndUnknownPhonesTakeAsLong(t *testing.T) {
	const phones, runs = 120, 12
	for i, attempt := range attempts {
		var fair [2]bool
		var seen bool
		var last [3]float64
		for run := 0; run < runs && !(fair[0] && fair[1] && seen); run++ {
			for s := range fair {
				last[s] = newOutsider(t, phones).slower(i, s, 2, false)
				fair[s] = fair[s] || last[s] > .2 && last[s] < .8
			}
			last[2] = newOutsider(t, phones).slower(i, 0, 2, true)
			seen = seen || last[2] > .8
		}
		if !fair[0] || !fair[1] || !seen {
			t.Errorf("%s: slower than unknown phones are %.2f of the recorded and %.2f of the disabled ones; of those with twice the work %.2f", attempt.what, last[0], last[1], last[2])
		}
	}
}

// The number of allocations does not depend on whether the phone has a record, either.
func TestRefusalsOfKnownAndUnknownPhonesAllocateAlike(t *testing.T) {
	for _, attempt := range attempts {
		o := newOutsider(t, 4)
		var work [3]float64
		for s := range work {
			m, header := o.clients[s][1], ""
			if attempt.header != nil {
				header = attempt.header(o, m)
			}
			if a := o.request(m, attempt.from, attempt.transport, header); a.Outcome != provision.Refused {
				t.Fatalf("%s: %s, %s", attempt.what, a.Outcome, a.Reason)
			}
			work[s] = testing.AllocsPerRun(300, func() { o.request(m, attempt.from, attempt.transport, header) })
		}
		for s := range 2 {
			// That there is none is found by two look-ups more, which is a few allocations; a record that isn't decoded is many.
			if d := work[s] - work[2]; d < -20 || d > 20 {
				t.Errorf("%s: %.0f allocations, and %.0f for an unknown phone", attempt.what, work[s], work[2])
			}
		}
	}
}
