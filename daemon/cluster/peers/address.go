package peers

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// lookupTime is how long the look-up of a name of an etcd server may take.
const lookupTime = time.Second

// Address returns host:port at which other members reach the port that this one listens on: advertise if it is set, which may be without a port;
// else the address from which this host reaches etcd, another host's etcd before one of its own. It is "" while there is no route.
func Address(ctx context.Context, advertise string, endpoints []string, listen netip.AddrPort) string {
	port := strconv.Itoa(int(listen.Port()))
	if advertise != "" {
		if _, _, err := net.SplitHostPort(advertise); err == nil {
			return advertise
		}
		return net.JoinHostPort(advertise, port)
	}
	if a := listen.Addr(); !a.IsUnspecified() {
		return listen.String()
	}
	found := ""
	for _, e := range endpoints {
		a := localTowards(ctx, e)
		if a.IsValid() && (found == "" || !a.IsLoopback()) {
			found = net.JoinHostPort(a.String(), port)
			if !a.IsLoopback() {
				break
			}
		}
	}
	return found
}

// localTowards returns the address from which this host reaches an etcd server, given by its URL. Nothing is sent to it.
func localTowards(ctx context.Context, endpoint string) netip.Addr {
	u, err := url.Parse(endpoint)
	if err != nil {
		return netip.Addr{}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "udp4", u.Host)
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	a, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr()
}
