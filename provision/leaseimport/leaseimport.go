// Package leaseimport reads the lease files of other DHCP servers, ISC dhcpd, Kea (memfile) and dnsmasq, and the reservations of their
// configurations. It decides nothing about them.
package leaseimport

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugtone/dhcp"
)

// ForeignLease is an IPv4 lease of another server.
type ForeignLease struct {
	IP       netip.Addr `json:"ip" doc:"leased address" example:"10.20.1.7"`
	MAC      dhcp.MAC   `json:"mac,omitzero" doc:"MAC address of the client; an ended lease may have none" example:"00:15:65:12:34:56"`
	Hostname string     `json:"hostname,omitempty" doc:"host name that the client sent" example:"phone-7"`
	ClientID string     `json:"client_id,omitempty" doc:"client identifier (option 61) in hexadecimal digits" example:"01001565123456"`
	Starts   time.Time  `json:"starts_at,omitzero" doc:"when the lease was given or renewed last; now when left out" example:"2026-11-22T12:00:00Z"`
	Expires  time.Time  `json:"expires_at,omitzero" doc:"when the lease ends; never when left out" example:"2026-11-23T12:00:00Z"`
	Ended    bool       `json:"ended,omitempty" doc:"the other server has ended the lease before its time: released, declined or free" example:"false"`
}

// ForeignReservation is an IPv4 address that another server has reserved for a client.
type ForeignReservation struct {
	IP        netip.Addr `json:"ip" doc:"reserved address" example:"10.20.0.50"`
	MAC       dhcp.MAC   `json:"mac" doc:"MAC address of the client" example:"00:15:65:12:34:56"`
	OtherMACs []dhcp.MAC `json:"other_macs,omitempty" maxItems:"8" doc:"further MAC addresses of the client" example:"[\"00:15:65:12:34:57\"]"`
	Hostname  string     `json:"hostname,omitempty" doc:"name of the client in the other server's configuration" example:"phone-7"`
}

// File is what a file of another server has. Of an address with several leases the last one counts.
type File struct {
	Leases       []ForeignLease       // in the order of their first entries
	Skipped      int                  // leases of clients without a MAC address, and of IPv6
	Reservations []ForeignReservation // in the order of the file
	LeftOut      []string             // reservations that can't be ours, each with its place and the reason
}

// Include reads what a file names that it includes: one file, or all of a directory by their names. from is the name of the file that
// includes it, "" for the first one.
type Include func(from, name string) (map[string]string, error)

// maxFaults is how many faulty entries an error names.
const maxFaults = 20

// Formats lists the names that Parse accepts.
func Formats() []string { return []string{"isc", "kea", "dnsmasq"} }

// Parse reads a lease file, or a configuration with reservations. The error names each faulty entry with its line, the first 20 of
// them; there are no leases and reservations then.
func Parse(format, text string, include Include) (File, error) {
	c := collector{at: map[netip.Addr]int{}, include: include, hosts: map[string]int{}}
	switch format {
	case "isc":
		c.isc(text)
	case "kea":
		if isJSON(text) {
			c.keaConfig(text)
			break
		}
		c.kea(text)
	case "dnsmasq":
		c.dnsmasqFile(text)
	default:
		return File{}, fmt.Errorf("format %q: must be one of %s", format, strings.Join(Formats(), ", "))
	}
	if len(c.faults) > maxFaults {
		c.faults = append(c.faults[:maxFaults], fmt.Errorf("and %d more", len(c.faults)-maxFaults))
	}
	if err := errors.Join(c.faults...); err != nil {
		return File{}, err
	}
	c.file.Reservations = slices.DeleteFunc(c.file.Reservations, func(r ForeignReservation) bool { return !r.IP.IsValid() })
	return c.file, nil
}

// collector collects leases, reservations and faults.
type collector struct {
	file    File
	at      map[netip.Addr]int // places in file.Leases
	hosts   map[string]int     // host names of ISC dhcpd to places in file.Reservations
	include Include
	name    string // of the file that is read; "" for the first one
	depth   int    // of includes
	faults  []error
}

func (c *collector) fault(line int, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("%s: "+format, append([]any{c.place(line)}, args...)...))
}

// place is line 7, or /etc/dhcp/phones.conf, line 7 in a file that another one includes.
func (c *collector) place(line int) string {
	if c.name == "" {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("%s, line %d", c.name, line)
}

func (c *collector) add(l ForeignLease) {
	i, had := c.at[l.IP]
	if had {
		c.file.Leases[i] = l
		return
	}
	c.at[l.IP] = len(c.file.Leases)
	c.file.Leases = append(c.file.Leases, l)
}

// maxSeconds is the last second of the year 9999, which JSON can still write.
const maxSeconds = 253402300799

// seconds reads a time in Unix seconds.
func seconds(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxSeconds {
		return time.Time{}, fmt.Errorf("%.40q must be a time in seconds since 1970", s)
	}
	return time.Unix(n, 0).UTC(), nil
}

// hexID returns a client identifier written as hexadecimal bytes with colons or without; "" when it is none.
func hexID(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, ":", ""))
	if b, err := hex.DecodeString(s); err != nil || len(b) > 255 {
		return ""
	}
	return s
}

// hostname returns s as far as it can be stored.
func hostname(s string) string { return dhcp.Printable(s, 63) }
