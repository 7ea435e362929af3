// Package dhcp decides what a DHCPv4 client is told: leases, offers, reservations, options and where a reply goes.
// Decisions are pure functions from request, state and time. It knows no phones, no vendors and no disk.
package dhcp
