package netlab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Plug gives a namespace an interface with a MAC of its own on an interface of this machine (a macvlan in private mode):
// one more host on that network. This machine itself cannot be reached through it, as the kernel keeps a macvlan and its
// parent apart. Nor can the other hosts on the same interface: a broadcast would be copied to each of a thousand. It needs
// CAP_NET_ADMIN where parent is.
func (l *Lab) Plug(parent string, p Port) error {
	up, err := netlink.LinkByName(parent)
	if err != nil {
		return fmt.Errorf("interface %s: %w", parent, err)
	}
	attrs := netlink.LinkAttrs{Name: p.Name, ParentIndex: up.Attrs().Index, Namespace: netlink.NsFd(p.Namespace.fd), MTU: p.MTU, TxQLen: -1}
	if attrs.HardwareAddr, err = parseMAC(p.MAC); err != nil {
		return fmt.Errorf("port %s of %s: %w", p.Name, p.Namespace.name, err)
	}
	if err := netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE}); err != nil {
		return fmt.Errorf("macvlan %s of %s on %s: %w", p.Name, p.Namespace.name, parent, err)
	}
	return p.configure()
}

// SubLink gives a namespace an interface on top of one that it has: a VLAN where the kernel supports it (8021q), else a
// macvlan, which lacks only the tag. It returns which of the two it is.
func (n *Namespace) SubLink(parent, name string, vlan int, addrs ...netip.Prefix) (kind string, err error) {
	err = n.withLink(parent, "build on", func(up netlink.Link) error {
		attrs := netlink.LinkAttrs{Name: name, ParentIndex: up.Attrs().Index, TxQLen: -1}
		kind = "vlan"
		err := n.nl.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: vlan, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q})
		if errors.Is(err, unix.EOPNOTSUPP) {
			kind = "macvlan"
			err = n.nl.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE})
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return kind, Port{Namespace: n, Name: name, Addrs: addrs}.configure()
}
