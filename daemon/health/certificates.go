package health

import "github.com/prometheus/client_golang/prometheus"

// CertificateEnds is the collector of when certificates end.
type CertificateEnds struct {
	Certificates func() []Certificate // in force
	desc         *prometheus.Desc
}

// NewCertificateEnds returns a collector.
func NewCertificateEnds(certificates func() []Certificate) *CertificateEnds {
	return &CertificateEnds{certificates, prometheus.NewDesc("plugtone_certificate_expiry_timestamp_seconds",
		"When a certificate ends: own_authority and https are for phones, admin is for the API.", []string{"certificate"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *CertificateEnds) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *CertificateEnds) Collect(ch chan<- prometheus.Metric) {
	for _, x := range c.Certificates() {
		if x.Cert != nil {
			ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(x.Cert.NotAfter.Unix()), x.Kind)
		}
	}
}
