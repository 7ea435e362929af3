// Command bench compares plugtone with other servers: DHCP with Kea and dnsmasq (make bench-dhcp), TFTP and HTTP with
// dnsmasq, atftpd and nginx (make bench-files), and very many phones that boot at the same moment (make bench-storm). It is not
// for tests: it prints figures and asserts nothing.
//
// Each server runs in a network namespace of its own and is measured from another one, so nothing of this machine's network is
// touched. What counts first is the server's CPU time for each exchange or file, from the operating system's accounting: on a
// small machine the rate is as much the load generator's as the server's. DHCP clients begin at a fixed rate, and their times count from when a
// message was to be sent; perfdhcp (of Kea) is run as a check.
// The file servers give the same bytes: plugtone renders them from records, on proof by lease; the others read them from disk.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"plugtone/dhcp/netlab"
)

// commands are the measurements.
var commands = map[string]func(ctx context.Context, args []string) error{
	"dhcp":  benchDHCP,
	"files": benchFiles,
	"storm": func(ctx context.Context, args []string) error {
		return benchFiles(ctx, append([]string{"-only", "storm"}, args...))
	},
}

// inside are the parts that the program runs of itself in the clients' namespace.
var inside = map[string]func(spec string) error{"load": part(load.run), "boot": part(stormSpec.run), "crowd": part(crowdSpec.run), "exchange": part(traffic.run)}

// part returns what reads a spec in JSON, runs it, and prints what became of it, in JSON.
func part[S, R any](run func(S) (R, error)) func(spec string) error {
	return func(text string) error {
		var spec S
		if err := json.Unmarshal([]byte(text), &spec); err != nil {
			return err
		}
		result, err := run(spec)
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(result))
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && inside[args[0]] != nil {
		return inside[args[0]](args[1])
	}
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("usage: bench dhcp|files|storm [flags]")
	}
	if status, ran := netlab.Enter(); ran {
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return commands[args[0]](ctx, args[1:])
}
