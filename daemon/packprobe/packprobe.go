// Package packprobe answers one sample phone of each vendor in each subnet of a configuration, and reports what such phones would not get.
package packprobe

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/wire"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// sample is the policy and the reservations of a sample phone: its options are fixed, and its address is reserved.
type sample struct {
	advice dhcp.Policy
	addr   netip.Addr
}

func (s *sample) PolicyFor(dhcp.Client, dhcp.Site) dhcp.Policy   { return s.advice }
func (s *sample) Reserved(dhcp.MAC) (netip.Addr, bool)           { return s.addr, true }
func (s *sample) HolderOf(netip.Addr) (mac dhcp.MAC, taken bool) { return mac, false }

// sampleMAC is a locally administered MAC.
var sampleMAC = dhcp.MAC{2, 0, 0, 0, 0, 1}

// Warnings returns what goes wrong for phones of recognised vendors with this configuration: options that do not fit
// into the 576 bytes that every phone accepts, options that can't be encoded, and a URL for phones that read only an address.
func Warnings(c *config.Config, packs *pack.Set, site *fleet.Site) []config.Warning {
	var out []config.Warning
	for i := range c.DHCP.Subnets {
		s := &c.DHCP.Subnets[i]
		if c.DHCP.Mode == dhcp.ModeOff || s.Phones != dhcp.PhonesProvision {
			continue
		}
		at := fmt.Sprintf("dhcp.subnets[%d]", i)
		where := func(keys ...string) string {
			for _, k := range keys {
				if c.Written(at + "." + k) {
					return at + "." + k
				}
			}
			return at
		}
		t := probe{subnet: s.Subnet, next: site.Subnets[i].NextServer}
		t.run(packs)
		for _, problem := range t.problems {
			out = append(out, config.Warning(c.ProblemAt(where("provisioning_url"), problem)))
		}
		if len(t.dropped) > 0 {
			out = append(out, config.Warning(c.ProblemAt(where("options", "provisioning_url"),
				"an ACK of 576 bytes, the limit for phones that send no maximum message size, has no room for all options; left out, or moved to fields that not every phone reads (option 52), are "+strings.Join(t.dropped, ", "))))
		}
		if len(t.addressOnly) > 0 && s.ProvisioningURL != "" {
			out = append(out, config.Warning(c.ProblemAt(where("provisioning_url"),
				"phones that read only an address, no URL, are sent to its host, or to next_server where the host is a name, over TFTP instead: "+strings.Join(t.addressOnly, ", "))))
		}
	}
	return out
}

// probe answers one phone of each kind in a subnet.
type probe struct {
	subnet dhcp.Subnet
	next   netip.Addr // what phones there are sent to, as far as it is known

	problems, dropped, addressOnly []string
}

func (t *probe) run(packs *pack.Set) {
	first, last := config.Hosts(t.subnet.Prefix)
	phone := &sample{addr: last}
	own := t.next
	if !t.subnet.Prefix.Contains(own) {
		own = first
	}
	if own == last || slices.Contains(t.subnet.Routers, last) {
		phone.addr = last.Prev()
	}
	t.subnet.Interface, t.subnet.Pools, t.subnet.Exclude = "probe", nil, nil
	cfg := dhcp.Config{Subnets: []dhcp.Subnet{t.subnet}}
	e, err := engine.New(cfg, phone, phone)
	if err != nil {
		return // reported elsewhere, as an error
	}
	link := &dhcp.Link{Interface: "probe", Addrs: []netip.Prefix{netip.PrefixFrom(own, t.subnet.Prefix.Bits())}}
	req := &dhcp.Request{Type: dhcp.MessageTypeDiscover, MAC: sampleMAC, Client: dhcp.Client{MAC: sampleMAC, ClientID: "\x01" + string(sampleMAC[:])}}
	site := t.site(own)
	for _, v := range packs.Vendors() {
		if !v.Recognises {
			continue
		}
		var dropped, bare []string
		for _, m := range v.Models() {
			opts, err := v.Options(m.Name, sampleMAC, site)
			if err != nil {
				if problem := fmt.Sprintf("%v: these phones get none of their options", err); !slices.Contains(t.problems, problem) {
					t.problems = append(t.problems, problem)
				}
				continue
			}
			phone.advice = dhcp.Policy{Vendor: v.ID, Phone: true, Options: opts.List, NULTerminate: opts.Quirks.NULTerminate}
			if d := e.Decide(time.Time{}, req, link, e.Classify(req, link), leasetable.NewLeases(cfg)); d.Reply != nil {
				if _, left := wire.Encode(d.Reply, nil, 0); len(left) > 0 {
					dropped = append(dropped, fmt.Sprintf("%s: %s", v.ID, codes(left)))
				}
			}
			if readsAddress(opts.List, site) {
				bare = append(bare, m.Name)
			}
		}
		slices.Sort(dropped)
		t.dropped = append(t.dropped, slices.Compact(dropped)...)
		switch {
		case len(bare) == 0:
		case len(bare) == len(v.Models()):
			t.addressOnly = append(t.addressOnly, v.ID)
		default:
			t.addressOnly = append(t.addressOnly, fmt.Sprintf("%s (%s)", v.ID, strings.Join(bare, ", ")))
		}
	}
}

// site returns the subnet's data for the options of its phones; own is this host's address there.
func (t *probe) site(own netip.Addr) dhcp.Site {
	s := dhcp.Site{Subnet: t.subnet.Prefix, Phones: t.subnet.Phones, NextServer: own, ProvisioningURL: t.subnet.ProvisioningURL, VoiceVLAN: t.subnet.VoiceVLAN}
	if t.next.IsValid() {
		s.NextServer = t.next
	}
	if s.ProvisioningURL == "" {
		s.ProvisioningURL = "http://" + s.NextServer.String() + "/"
	}
	return s
}

// readsAddress reports whether these options have only the name or address of the server, no URL.
func readsAddress(options []dhcp.Option, site dhcp.Site) bool {
	u, err := url.Parse(site.ProvisioningURL)
	if err != nil {
		return false
	}
	bare := false
	for _, o := range options {
		if strings.Contains(string(o.Data), "://") {
			return false
		}
		text := strings.TrimRight(string(o.Data), "\x00")
		bare = bare || text == u.Hostname() || o.Code == 150 && len(o.Data)%4 == 0
	}
	return bare
}

func codes(options []uint8) string {
	slices.Sort(options)
	var out []string
	for _, c := range options {
		out = append(out, fmt.Sprint(c))
	}
	return strings.Join(out, " ")
}
