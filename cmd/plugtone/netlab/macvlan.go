package netlab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Plug gives a namespace an interface with a MAC of its own on an interface of this machine (a macvlan in bridge mode):
// the host stands on that network like one more box. This machine itself can't be reached through it, as the kernel
// keeps a macvlan and its parent apart. It needs CAP_NET_ADMIN where parent is.
func (l *Lab) Plug(parent string, p Port) error {
	up, err := netlink.LinkByName(parent)
	if err != nil {
		return fmt.Errorf("interface %s: %w", parent, err)
	}
	attrs := netlink.LinkAttrs{Name: p.Name, ParentIndex: up.Attrs().Index, Namespace: netlink.NsFd(p.Namespace.fd), MTU: p.MTU, TxQLen: -1}
	if attrs.HardwareAddr, err = hardware(p.MAC); err != nil {
		return fmt.Errorf("port %s of %s: %w", p.Name, p.Namespace.name, err)
	}
	if err := netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}); err != nil {
		return fmt.Errorf("macvlan %s of %s on %s: %w", p.Name, p.Namespace.name, parent, err)
	}
	return p.settle()
}
