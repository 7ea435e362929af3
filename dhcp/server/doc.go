// Package server is the DHCPv4 server's loop: it reads port 67, has package dhcp decide about each request, waits until
// the lease is on disk and sends the reply. It also probes addresses for conflicts and looks for other DHCP servers. It
// holds no leases and no rules about them (package dhcp does), and touches the operating system through package netif
// and its one UDP socket.
//
// One goroutine does it all, because each switch to another thread costs as much as a decision. It takes what the socket holds,
// serves clients with a lease record at once, and queues the others, so that a flood of unknown clients delays and drops only
// its own kind. Replies that need no disk leave at once; then the leases are written together, and their replies leave.
// Where writing takes long, the table's goroutine writes. When a write hangs, another goroutine takes over the reading.
// Probes run in goroutines of their own.
//
// One socket receives from all interfaces, so that links and addresses may come and go; the kernel reports with each
// packet where it came in. Replies to clients on an attached link are Ethernet frames to the client's hardware address
// (AF_PACKET, one socket for each interface): the kernel would first resolve the client's address by ARP, which waits for
// seconds when a request names an absent host.
package server
