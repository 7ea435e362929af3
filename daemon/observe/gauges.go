package observe

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// Sources hold what other packages count. They are read at each scrape.
type Sources struct {
	Leases     func() []dhcp.Stats
	Transfers  func() int
	Discovered func() int
	Records    fleet.Records
}

// gauges is a collector over Sources.
type gauges struct {
	from    Sources
	devices deviceCounter

	leases, pool, active, found, records *prometheus.Desc
}

// deviceLabel is one time series of plugtone_devices.
type deviceLabel struct{ vendor, state string }

// NewGauges returns a collector that reads the sources.
func NewGauges(from Sources) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &gauges{
		from: from, devices: deviceCounter{records: from.Records},
		leases:  desc("plugtone_dhcp_leases", "Addresses that are not free, by what holds them.", "subnet", "state"),
		pool:    desc("plugtone_dhcp_pool_addresses", "Addresses that may be handed out.", "subnet"),
		active:  desc("plugtone_tftp_transfers_active", "TFTP transfers and waiting requests."),
		found:   desc("plugtone_discovered_phones", "Phones that were seen and have no device record."),
		records: desc("plugtone_devices", "Device records.", "vendor", "state"),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.leases, g.pool, g.active, g.found, g.records} {
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
	for l, n := range g.devices.count() {
		set(g.records, n, l.vendor, l.state)
	}
}

// deviceCounter counts devices, and counts again only when a record has changed.
type deviceCounter struct {
	records fleet.Records

	mu       sync.Mutex
	revision uint64
	counts   map[deviceLabel]int
}

func (c *deviceCounter) count() map[deviceLabel]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.records.View(func(f fleet.View) error {
		if c.counts != nil && f.Revision() == c.revision {
			return nil
		}
		counts := map[deviceLabel]int{}
		for d, err := range f.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			state := "enabled"
			if !d.Enabled {
				state = "disabled"
			}
			counts[deviceLabel{d.Vendor, state}]++
		}
		c.counts, c.revision = counts, f.Revision()
		return nil
	})
	if err != nil {
		return nil // a missing series is noticed; a wrong one is not
	}
	return c.counts
}
