package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/provision/pack"
)

// A phone retries after two seconds, then after twice as long each time (RFC 2131, 4.1), five times in all.
const (
	dhcpTimeout  = 2 * time.Second
	dhcpTries    = 5
	dhcpPatience = 31 * dhcpTimeout
)

// leased is what an ACK gives a phone.
type leased struct {
	addr   netip.Prefix
	router netip.Addr
	server netip.Addr
	ack    *dhcpv4.DHCPv4
}

// obtain gets a lease by DISCOVER and REQUEST from the host's interface.
func obtain(ctx context.Context, host Host, spec Spec, manner pack.Boot) (leased, error) {
	patience := cmp.Or(spec.Patience, dhcpPatience)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var port *bootclient.Port
	err := host.Namespace.Do(func() (err error) {
		port, err = bootclient.OnLink(host.Interface)
		return err
	})
	if err != nil {
		return leased{}, fmt.Errorf("open %s for DHCP: %w", host.Interface, err)
	}
	defer port.Close()
	client := port.Client(bootclient.Message{MAC: spec.MAC, Class: manner.Option60, Hostname: manner.Hostname, Params: manner.Params}, dhcpTries, bootclient.Doubled(dhcpTimeout))
	got, err := client.Lease(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil {
		return leased{}, fmt.Errorf("no lease within %s", patience)
	}
	if err != nil {
		return leased{}, fmt.Errorf("no lease: %w", err)
	}
	ack, err := dhcpv4.FromBytes(got.Packet)
	if err != nil {
		return leased{}, fmt.Errorf("no lease: %w", err)
	}
	return readLease(ack)
}

func readLease(ack *dhcpv4.DHCPv4) (leased, error) {
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || addr.IsUnspecified() {
		return leased{}, errors.New("the ACK has no address")
	}
	ones, bits := ack.SubnetMask().Size()
	if bits != 32 {
		return leased{}, errors.New("the ACK has no subnet mask")
	}
	l := leased{addr: netip.PrefixFrom(addr, ones), ack: ack}
	l.server, _ = netip.AddrFromSlice(ack.ServerIdentifier().To4())
	if routers := ack.Router(); len(routers) > 0 {
		l.router, _ = netip.AddrFromSlice(routers[0].To4())
	}
	return l, nil
}

// configure gives the host its address and default route.
func (h Host) configure(l leased) error {
	if err := h.Namespace.AddAddr(h.Interface, l.addr); err != nil {
		return err
	}
	if !l.router.IsValid() {
		return nil
	}
	return h.Namespace.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), l.router)
}

// provisioning reads the base URL from the first of the options that the ACK has, and names the option. Text without a
// scheme, and an address, mean TFTP.
func (l leased) provisioning(options []uint8) (*url.URL, uint8, error) {
	for _, code := range options {
		data := l.ack.Options.Get(dhcpv4.GenericOptionCode(code))
		if len(data) == 0 {
			continue
		}
		text, err := ServerText(code, data)
		if err != nil {
			return nil, code, err
		}
		if !strings.Contains(text, "://") {
			text = "tftp://" + text
		}
		u, err := url.Parse(text)
		if err != nil {
			return nil, code, fmt.Errorf("option %d: %w", code, err)
		}
		// A URL may name the first file itself; the others are beside it.
		u.Path = u.Path[:strings.LastIndexByte(u.Path, '/')+1]
		if u.Path == "" {
			u.Path = "/"
		}
		return u, code, nil
	}
	return nil, 0, fmt.Errorf("the ACK has none of the options %v, from which this phone takes its provisioning server", options)
}

// ServerText returns the provisioning server from an option. Vendor options (43, 125) may hold it as the value of a
// sub-option; option 150 holds addresses.
func ServerText(code uint8, data []byte) (string, error) {
	switch {
	case code == 150:
		addr, ok := netip.AddrFromSlice(data[:min(4, len(data))])
		if !ok {
			return "", fmt.Errorf("option 150 holds %d bytes, which is no address", len(data))
		}
		return addr.String(), nil
	case code == 125 && len(data) > 5: // RFC 3925, 4: enterprise number and length before the sub-options
		data = data[5:]
	case code != 43:
		return strings.TrimRight(string(data), "\x00"), nil
	}
	for rest := data; len(rest) >= 2 && int(rest[1]) <= len(rest)-2; rest = rest[2+int(rest[1]):] {
		if text := string(rest[2 : 2+int(rest[1])]); strings.Contains(text, "://") {
			return strings.TrimRight(text, "\x00"), nil
		}
	}
	return strings.TrimRight(string(data), "\x00"), nil
}
