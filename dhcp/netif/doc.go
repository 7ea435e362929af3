// Package netif is what the DHCP server needs of the operating system besides its UDP socket: the host's interfaces,
// addresses and routes (netlink), Ethernet frames and ARP (packet sockets), ICMP echo, and who owns a port.
//
// It holds no DHCP logic and no configuration. Functions that open sockets open them in the network namespace of the
// calling thread; types that open sockets later take a function that runs them in the right one.
package netif

// Namespace runs f in the network namespace where its sockets belong.
type Namespace func(f func() error) error
