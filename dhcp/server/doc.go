// Package server moves DHCPv4 packets: it reads port 67, hands each request to the decisions of package dhcp, waits for
// the lease to be on disk and sends the reply where package dhcp says. It also asks the network: whether somebody uses
// an address already (ARP, ICMP), and whether another DHCP server answers. It decides nothing about leases itself.
//
// One socket hears all interfaces, so that links and addresses may come and go; the kernel tells with each packet where
// it came in. Replies to a client that has no address yet are Ethernet frames of our own making (AF_PACKET, one socket for each
// interface), because the kernel would ask by ARP for an address that nobody has.
package server
