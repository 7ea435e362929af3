// Package demo shows plugtone at work on a network that exists only while it runs: a switch, a daemon and simulated phones,
// each in a network namespace of its own. Nothing of the machine's own network or files is touched.
//
// It does what a newcomer would do, with the same commands, and prints them.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"plugtone/cmd/plugtone/simulate"
	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/pack"
)

// Config is what the demo needs of the world.
type Config struct {
	Self  string // path of the plugtone program
	Once  bool   // end when all phones have booted
	Packs *pack.Set
	Out   io.Writer
	Page  []*os.File // a listening TCP socket of the machine's own network for the API's page; may be empty
}

// phone is one phone of the demo and how its device is entered.
type phone struct {
	mac, vendor, model, label, extension, key string
	transport                                 string // "": the scheme of the server's URL
}

// phones are one of each family, and one that fetches by TFTP.
func phones() []phone {
	return []phone{
		{mac: "00:15:65:12:34:56", vendor: "yealink", model: "T46U", label: "Front Desk", extension: "1001", key: "2=blf:1002,label=Bob"},
		{mac: "64:16:7f:00:00:02", vendor: "polycom", model: "VVX450", label: "Bob", extension: "1002", key: "2=blf:1001,label=Front Desk"},
		{mac: "c0:74:ad:00:00:03", vendor: "grandstream", model: "GRP2614", label: "Night & Day", extension: "1003", key: "2=speed_dial:1001,label=Front Desk"},
		{mac: "00:04:13:00:00:04", vendor: "snom", model: "D785", label: "Workshop", extension: "1004", key: "2=blf:1001,label=Front Desk"},
		{mac: "00:56:2b:00:00:05", vendor: "cisco-3pcc", model: "8841", label: "Ward 7", extension: "1005", key: "2=blf:1001,label=Front Desk", transport: "tftp"},
	}
}

const configuration = `data_dir: %[1]s/data
dhcp:
  subnets:
    - subnet: 10.20.0.0/22
      interface: voice0
      pools: [10.20.1.0-10.20.3.250]
      routers: [10.20.0.1]
      dns_servers: [10.20.0.1]
      ntp_servers: [10.20.0.1]
provisioning:
  time_zone: Europe/Berlin
  settings: {admin_password: demo-admin, language: en}
admin: {listen: ["unix:%[1]s/admin.sock", "127.0.0.1:8067"]}
`

// Run sets the network up, boots the phones and prints what happens, then waits for the end of ctx unless Once is set.
// Its error names every phone that did not get its files.
func Run(ctx context.Context, c Config) (err error) {
	d := &demo{Config: c}
	if d.dir, err = os.MkdirTemp("", "plugtone-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	if err := d.network(); err != nil {
		return err
	}
	defer d.lab.Close()
	if err := d.serve(ctx); err != nil {
		return err
	}
	defer d.stop()
	if err := d.play(ctx); err != nil {
		return err
	}
	if c.Once {
		return nil
	}
	if err := d.offerPage(ctx); err != nil {
		return err
	}
	d.further()
	<-ctx.Done()
	return nil
}

type demo struct {
	Config
	dir    string
	lab    *netlab.Lab
	bench  *netlab.Bridge
	server *netlab.Namespace
	daemon *exec.Cmd
	ended  chan error
}

func (d *demo) printf(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }

// network makes the switch and the daemon's host on it.
func (d *demo) network() (err error) {
	if d.lab, err = netlab.New(); err != nil {
		return err
	}
	if d.bench, err = d.lab.Bridge("voice"); err == nil {
		d.server, err = d.host("plugtone", "voice0", "02:00:00:00:00:02", netip.MustParsePrefix("10.20.0.2/22"))
	}
	if err != nil {
		return errors.Join(err, d.lab.Close())
	}
	return nil
}

func (d *demo) host(name, iface, mac string, addrs ...netip.Prefix) (*netlab.Namespace, error) {
	ns, err := d.lab.Namespace(name)
	if err != nil {
		return nil, err
	}
	return ns, d.bench.Attach(netlab.Port{Namespace: ns, Name: iface, MAC: mac, Addrs: addrs})
}

// play enters the devices, boots the phones one after the other, and lets another host try.
func (d *demo) play(ctx context.Context) error {
	all := phones()
	if err := d.command(ctx, "registrar", "set", "main", "--host", "pbx.example.com"); err != nil {
		return err
	}
	for _, p := range all {
		if err := d.enter(ctx, p); err != nil {
			return err
		}
	}
	var failed []error
	for _, p := range all {
		if err := d.boot(ctx, p); err != nil {
			failed = append(failed, fmt.Errorf("%s %s (%s): %w", p.vendor, p.model, p.mac, err))
		}
	}
	if err := d.otherHost(ctx, all[0]); err != nil {
		failed = append(failed, err)
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	d.printf("\n%d phones booted; each has its own files.", len(all))
	return d.command(ctx, "device", "list")
}

func (d *demo) enter(ctx context.Context, p phone) error {
	if err := d.command(ctx, "extension", "set", p.extension, "--display-name", p.label, "--password", "secret-"+p.extension); err != nil {
		return err
	}
	return d.command(ctx, "device", "add", p.mac, "--model", p.vendor+"/"+p.model, "--label", p.label, "--line", p.extension, "--key", p.key)
}

// boot plays one phone and prints its timeline.
func (d *demo) boot(ctx context.Context, p phone) error {
	d.printf("\n== %s %s %s is plugged in ==", p.vendor, p.model, p.mac)
	vendor, model, err := d.Packs.FindModel(p.vendor, p.model)
	if err != nil {
		return err
	}
	ns, err := d.host(p.mac, "eth0", p.mac)
	if err != nil {
		return err
	}
	mac, err := dhcp.ParseMAC(p.mac)
	if err != nil {
		return err
	}
	result := simulate.Boot(ctx, simulate.Host{Namespace: ns, Interface: "eth0"},
		simulate.Spec{MAC: mac, Vendor: vendor, Model: model.Name, Transport: p.transport}, nil)
	return errors.Join(result.Err, d.command(ctx, "trace", p.mac))
}

// otherHost requests another phone's file and must not get it.
func (d *demo) otherHost(ctx context.Context, victim phone) error {
	mac, err := dhcp.ParseMAC(victim.mac)
	if err != nil {
		return err
	}
	d.printf("\n== another host on the network requests %s.cfg ==", mac.Hex())
	ns, err := d.host("other", "eth0", "02:00:00:00:66:66", netip.MustParsePrefix("10.20.0.66/22"))
	if err != nil {
		return err
	}
	size, err := simulate.Fetch(ctx, ns, "http://10.20.0.2/", mac.Hex()+".cfg", "curl/7.88.1")
	if err == nil {
		return fmt.Errorf("another host got %s.cfg, %d bytes", mac.Hex(), size)
	}
	d.printf("the answer: %v", err)
	return d.command(ctx, "explain", "/"+mac.Hex()+".cfg", "--ip", "10.20.0.66")
}

// command shows and runs a plugtone command against the demo's daemon.
func (d *demo) command(ctx context.Context, args ...string) error {
	d.printf("$ plugtone %s", quoted(args))
	cmd := exec.CommandContext(ctx, d.Self, args...)
	cmd.Env = append(os.Environ(), "PLUGTONE_ADMIN="+d.admin(), "COLUMNS="+strconv.Itoa(columns))
	var problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = d.Out, &problems
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("plugtone %s: %w: %s", quoted(args), err, strings.TrimSpace(problems.String()))
	}
	return nil
}

func (d *demo) admin() string { return "unix:" + filepath.Join(d.dir, "admin.sock") }

// columns is how wide a line of the demo may be.
const columns = 100

// quoted returns arguments as a shell takes them, over several lines when one would be too long.
func quoted(args []string) string {
	var b strings.Builder
	column := len("$ plugtone")
	for i, a := range args {
		if strings.ContainsAny(a, " &;") {
			a = "'" + a + "'"
		}
		if i > 0 && column+len(a)+3 > columns {
			b.WriteString(" \\\n   ")
			column = 3
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a)
		column += len(a) + 1
	}
	return b.String()
}

func (d *demo) further() {
	d.printf("\nThe daemon runs until Ctrl-C. From another terminal:\n\n  export PLUGTONE_ADMIN=%s", d.admin())
	for _, line := range [][2]string{
		{"what the phone is, and whether it has what it should have", "device show 00:15:65:12:34:56"},
		{"the very bytes that it was given", "device files 00:15:65:12:34:56 001565123456.cfg --reveal"},
		{"then device list shows it as stale", "extension set 1001 --password other"},
		{"its timeline, with a diagnosis", "trace 00:15:65:12:34:56"},
		{"all leases", "leases"},
		{"the files, keys and settings of a vendor", "vendor show yealink"},
	} {
		d.printf("  # %s\n  %s %s", line[0], d.Self, line[1])
	}
	d.printf("\nThe README goes on from here with a real phone.")
}
