// Package daemon joins the parts of plugtone: it reads the configuration, builds store, lease table, DHCP server, packs,
// provisioning, file servers and admin API, runs them as named tasks, and feeds timeline, log and metrics with what
// they decide. It is the only package that imports all the others.
//
// It decides nothing about phones, files or leases itself.
package daemon
