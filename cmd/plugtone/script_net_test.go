package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/rogpeppe/go-internal/testscript"

	"plugtone/dhcp/netlab"
)

// plug HOST SWITCH IFACE [ADDR/BITS] gives a host, made if there is none, an interface on another switch, made likewise.
func (s *scriptEnv) plug(_ *testscript.TestScript, _ bool, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: plug HOST SWITCH IFACE [MAC] [ADDR/BITS]")
	}
	port := netlab.Port{Name: args[2]}
	for _, a := range args[3:] {
		if strings.Contains(a, "/") {
			port.Addrs = append(port.Addrs, netip.MustParsePrefix(a))
		} else {
			port.MAC = a
		}
	}
	return s.attach(args[0], args[1], port)
}

// spawn HOST PROGRAM [ARGS] starts a program that runs until the script ends. Its output is in HOST.log.
func (s *scriptEnv) spawn(ts *testscript.TestScript, _ bool, args []string) error {
	h := s.hosts[args[0]]
	if h == nil {
		return fmt.Errorf("no host %q", args[0])
	}
	log, err := os.OpenFile(filepath.Join(s.work, args[0]+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := h.ns.Command(context.Background(), programPath(ts, args[1]), args[2:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), environ(ts), log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it is killed with the lab
	return nil
}

// inform HOST ADDR SERVER has a host with a fixed address send an INFORM to a server, as a Yealink phone would, and
// prints the options of the answer.
func (s *scriptEnv) inform(ts *testscript.TestScript, _ bool, args []string) error {
	h := s.hosts[args[0]]
	var conn *net.UDPConn
	var mac net.HardwareAddr
	err := h.ns.Do(func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		mac = link.HardwareAddr
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(args[1]), Port: 68})
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := dhcpv4.NewInform(mac, net.ParseIP(args[1]), dhcpv4.WithOption(dhcpv4.OptClassIdentifier("yealink")),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionTFTPServerName))
	if err != nil {
		return err
	}
	if _, err := conn.WriteTo(request.ToBytes(), &net.UDPAddr{IP: net.ParseIP(args[2]), Port: 67}); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	m, err := dhcpv4.FromBytes(buf[:n])
	if err != nil {
		return err
	}
	fmt.Fprintf(ts.Stdout(), "%s yiaddr=%s lease=%t tftp=%s\n", m.MessageType(), m.YourIPAddr, m.Options.Has(dhcpv4.OptionIPAddressLeaseTime), m.TFTPServerName())
	return nil
}
