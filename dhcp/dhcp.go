// Package dhcp holds the values of a DHCPv4 server that its other packages exchange: messages (Request, Reply), the configuration of
// subnets, leases, the policy for a client, and the Decision about a message with its verdict and reason.
//
// Packets are decoded and encoded by dhcp/wire, decisions are made by dhcp/engine, dhcp/leasetable owns the leases, and dhcp/server is
// the loop around all of it.
//
// Rules are cited as C01 to C60, this project's own numbers for the behaviour of a DHCP server; each has a test that names it.
//
// # Deliberate deviations
//
// From RFC 2131 and related RFCs, with the reason. docs/dhcp.md has the same list, which a test compares with this one:
//
//   - A client is its MAC. Option 61 is stored and echoed, but the same hardware with another client id gets the same
//     address (4.2 would have it be another client): boot ROM and firmware of one phone disagree about it.
//   - INIT-REBOOT, RENEWING and REBINDING for an address of which no lease is known create the lease when the address is free
//     and allowed (4.3.2 requires silence, or leaves it open): so a lost lease file is repaired, and no call is cut. While leases may be
//     missing the address is probed first.
//   - INIT-REBOOT on the wrong network by an unknown client is refused only if authoritative (4.3.2: SHOULD be
//     refused): without it another server may own that network on the same link.
//   - The subnet mask, and the options that a vendor's phones need, are sent also when the client did not request them.
//   - Option 61 is not sent back (RFC 6842, 3: MUST be) to phones that reject it according to their vendor pack.
//   - A REQUEST with neither option 50 nor ciaddr is acknowledged if its sender has a lease, else ignored.
//   - A RELEASE of a reserved address is ignored, and so is a RELEASE or DECLINE that took another way, through another relay or from another
//     host, than the lease was bound: it is easily forged, and no other client could have the address anyway.
//   - More than five DECLINEs of one client within an hour are ignored.
//   - A declined address is in quarantine for 24 hours, one that is reserved for ten minutes; when nothing else is free it
//     is tried again earlier, after a probe that no host answered.
//   - Under load addresses are offered without a probe (2.2 and 4.3.1: SHOULD be probed), except for one lease time after leases were
//     lost: a phone that boots late is worse. So they are without CAP_NET_RAW. After a probe that failed nothing is offered.
//   - Subnet selection (RFC 3011) from a client on an attached link chooses among the subnets of that link only.
//   - A relayed or routed message about a subnet of phones is ignored when it comes in on the link of another kind of network and
//     the kernel's way back is a different one, or the relay is in that network, and when its sender is in another kind of network
//     and is no router of it; a routed one also when it comes in on any link that is not the kernel's route to an attached
//     client: a client there could borrow a phone's MAC to end its lease.
//   - A ciaddr in a DISCOVER is ignored: its OFFER goes to the hardware address or is broadcast (4.1 would unicast to ciaddr).
//   - A client whose DISCOVERs come less than 100 ms apart is answered ten times a second (dhcp/server; 4.1 requires clients to wait).
//   - LEASEQUERY (RFC 4388), BOOTP, authentication (RFC 3118) and relay flags (RFC 5010) are not served: ignored, and not echoed
//     except inside option 82.
//   - Addresses that end in 0 or 255 are handed out only by reservation, also where the network is wider than /24 and they are
//     addresses like any other: some devices refuse them.
//   - T1 is moved down by up to an eighth, T2 by up to a sixteenth, fixed for each MAC, so that phones that booted together don't
//     renew together.
//   - In subnets with phones: provision a tenth of the pool is left for recognised phones, however many other clients come, and a
//     phone's last address isn't given to another client for 30 days.
//   - When a write to the disk fails or takes longer than three seconds, a client with a lease on it is acknowledged for the remaining
//     time, and no other client gets a reply.
//   - Where several servers share a subnet, one leaves DISCOVER, INIT-REBOOT, REBINDING and INFORM to another (RFC 3074), and acknowledges a
//     REQUEST for the offer of a server that is dead, with its own server identifier (4.3.2: silence).
package dhcp
