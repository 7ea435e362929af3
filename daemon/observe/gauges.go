package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp/leasetable"
	"plugtone/provision/deviceindex"
)

// Sources hold what other packages count. They are read at each scrape.
type Sources struct {
	Leases     func() []leasetable.Stats
	Transfers  func() int
	Discovered func() int
	Devices    func() ([]deviceindex.VendorState, error)
	Stale      func() (time.Duration, error)
}

// gauges is a collector over Sources.
type gauges struct {
	from Sources

	leases, pool, active, found, records, stale *prometheus.Desc
}

// NewGauges returns a collector that reads the sources.
func NewGauges(from Sources) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &gauges{
		from:    from,
		leases:  desc("plugtone_dhcp_leases", "Addresses that are not free, by what holds them.", "subnet", "state"),
		pool:    desc("plugtone_dhcp_pool_addresses", "Addresses that may be handed out.", "subnet"),
		active:  desc("plugtone_tftp_transfers_active", "TFTP transfers and waiting requests."),
		found:   desc("plugtone_discovered_phones", "Phones that were seen and have no device record."),
		records: desc("plugtone_devices", "Device records, by the state of their phones.", "vendor", "state"),
		stale:   desc("plugtone_devices_stale_seconds", "For how long the device has been stale that has been longest, since the start of plugtone at most; 0: none is stale."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.leases, g.pool, g.active, g.found, g.records, g.stale} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	for _, s := range g.from.Leases() {
		subnet := s.Subnet.String()
		set(g.pool, s.Pool, subnet)
		set(g.leases, s.Active, subnet, "active")
		set(g.leases, s.Offered, subnet, "offered")
		set(g.leases, s.Declined, subnet, "declined")
	}
	set(g.active, g.from.Transfers())
	set(g.found, g.from.Discovered())
	devices, err := g.from.Devices()
	if err != nil {
		return // a missing series is noticed; a wrong one is not
	}
	for _, d := range devices {
		set(g.records, d.Devices, d.Vendor, d.State)
	}
	if stale, err := g.from.Stale(); err == nil {
		set(g.stale, int(stale/time.Second))
	}
}
