package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/cmd/plugtone/simulate"
	"plugtone/dhcp/netlab"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/vendors"
)

// TestPhonesBootWhileAMemberDies: many simulated phones with records boot at once, half of them fetch over TFTP, and a member is killed when
// a third of them have their address. Each gets an address and all its files; one whose provisioning server died restarts, as phones do.
// PLUGTONE_CLUSTER_PHONES sets their number: without it there are few.
func TestPhonesBootWhileAMemberDies(t *testing.T) {
	t.Parallel()
	phones := 40
	if n, err := strconv.Atoi(os.Getenv("PLUGTONE_CLUSTER_PHONES")); err == nil {
		phones = n
	}
	c := newClusterLab(t, "pools: [10.20.1.0-10.20.254.250]", "a", "b")
	c.giveRecords(phones)
	packs, err := packcheck.Load(pack.Config{Builtin: vendors.FS})
	c.check(err)
	vendor, _ := packs.Vendor("yealink")
	var booting sync.WaitGroup
	var leased, restarts, afterDeath atomic.Int64
	start := make(chan struct{})
	servers := new(sync.Map)
	for n := range phones {
		spec := simulate.Spec{MAC: simulate.StormMAC(n), Vendor: vendor, Model: "T46U", Patience: time.Minute, Transport: []string{"", "tftp"}[n%2]}
		ns, err := c.lab.Namespace(spec.MAC.String())
		c.check(err)
		c.check(c.voice.Attach(netlab.Port{Namespace: ns, Name: "eth0", MAC: spec.MAC.String()}))
		booting.Go(func() {
			<-start
			for try := range 4 {
				r := simulate.Boot(t.Context(), simulate.Host{Namespace: ns, Interface: "eth0"}, spec, func(s simulate.Step) {
					if strings.HasPrefix(s.Text, "leased ") {
						leased.Add(1)
					}
				})
				if r.Err == nil {
					servers.Store(r.Server, true)
					return
				}
				if restarts.Add(1); try == 3 {
					t.Errorf("%s has not all its files: %v", spec.MAC, r.Err)
				}
				if r.Addr.IsValid() {
					afterDeath.Add(1)
					_ = ns.DelAddr("eth0", r.Addr) // a phone that restarts has none
				}
			}
		})
	}
	began := time.Now()
	close(start)
	for leased.Load() < int64(phones/3) && !t.Failed() {
		time.Sleep(5 * time.Millisecond) // members are other programs
	}
	c.hosts["a"].kill()
	booting.Wait()
	t.Logf("%d phones have all their files after %s, %d restarts, %d of them with an address", phones, time.Since(began).Round(100*time.Millisecond), restarts.Load(), afterDeath.Load())
	if _, ok := servers.Load("http://10.20.0.3/"); !ok {
		t.Error("no phone has its files from b")
	}
}

// giveRecords gives the phones of a storm records on member a, and waits until all members have them.
func (c *clusterLab) giveRecords(phones int) {
	var records bytes.Buffer
	records.WriteString("mac,vendor,model,label\n")
	for n := range phones {
		fmt.Fprintf(&records, "%s,yealink,T46U,Storm %d\n", simulate.StormMAC(n), n)
	}
	path := filepath.Join(c.dir, "storm.csv")
	c.check(os.WriteFile(path, records.Bytes(), 0o600))
	c.runs("a", "apply", "-f", path)
	c.runs("a", "device", "enroll", "--all", "--for", "30m", "--from", "10.20.0.0/16")
	last := simulate.StormMAC(phones - 1).String()
	for _, name := range c.members {
		c.eventually(name+" has the records", func() bool { return strings.Contains(c.plugtone(name, "device", "show", last), "T46U") })
	}
}
