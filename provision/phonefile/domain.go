package phonefile

import (
	"cmp"
	"net"
	"strconv"

	"plugtone/provision/fleet"
)

// serverOf returns the registrar of a line as the model's files name it. Where their server is the SIP domain as well, a domain
// other than the host takes the host's place, with the usual port of the transport, and the hosts become the outbound proxies
// unless there are some: all SIP is sent there then.
func (m *Model) serverOf(l Account) fleet.Registrar {
	r := l.Registrar
	if !m.DomainAsHost || cmp.Or(r.SIPDomain, r.Host) == r.Host {
		return r
	}
	withPort := func(host string) string {
		if _, port := hostPort(host); host == "" || port != 0 {
			return host
		}
		return net.JoinHostPort(host, strconv.Itoa(r.Port))
	}
	r.OutboundProxy = cmp.Or(r.OutboundProxy, withPort(r.Host))
	r.BackupOutboundProxy = cmp.Or(r.BackupOutboundProxy, withPort(r.BackupHost))
	r.Host, r.BackupHost, r.Port = r.SIPDomain, "", usualPort(r.Transport)
	return r
}

// usualPort is the SIP port of a transport.
func usualPort(transport string) int {
	if transport == "tls" {
		return 5061
	}
	return 5060
}
