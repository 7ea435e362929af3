package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plugtone/cmd/plugtone/simulate"
	"plugtone/dhcp/netlab"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
	"plugtone/provision/vendors"
)

// TestPhonesBootWhileAMemberDies: many simulated phones boot at once, and a member is killed when a third of them have their address. Each gets
// an address and the files of all phones; one whose provisioning server died restarts, as phones do. PLUGTONE_CLUSTER_PHONES sets their
// number: without it there are few.
func TestPhonesBootWhileAMemberDies(t *testing.T) {
	phones := 30
	if n, err := strconv.Atoi(os.Getenv("PLUGTONE_CLUSTER_PHONES")); err == nil {
		phones = n
	}
	c := newClusterLab(t, "pools: [10.20.1.0-10.20.254.250]", "a", "b")
	packs, err := packcheck.Load(pack.Config{Builtin: vendors.FS})
	c.check(err)
	vendor, _ := packs.Vendor("yealink")
	var booting sync.WaitGroup
	var leased, restarts atomic.Int64
	start := make(chan struct{})
	for n := range phones {
		mac := simulate.StormMAC(n)
		ns, err := c.lab.Namespace(mac.String())
		c.check(err)
		c.check(c.voice.Attach(netlab.Port{Namespace: ns, Name: "eth0", MAC: mac.String()}))
		booting.Go(func() {
			<-start
			for range 4 {
				_, err := bootOnce(t.Context(), simulate.Host{Namespace: ns, Interface: "eth0"}, simulate.Spec{MAC: mac, Vendor: vendor, Model: "T46U", Patience: 30 * time.Second}, &leased)
				if err == nil {
					return
				}
				restarts.Add(1)
			}
			t.Errorf("%s has no files", mac)
		})
	}
	close(start)
	c.eventually("a third has an address", func() bool { return leased.Load() >= int64(phones/3) })
	c.members["a"].kill()
	booting.Wait()
	t.Logf("%d phones, %d restarts", phones, restarts.Load())
}

// bootOnce boots a phone. A device has no record here, so only the files of all phones count.
func bootOnce(ctx context.Context, host simulate.Host, spec simulate.Spec, leased *atomic.Int64) (simulate.Result, error) {
	r := simulate.Boot(ctx, host, spec, func(simulate.Step) {})
	if !r.Addr.IsValid() {
		return r, r.Err
	}
	leased.Add(1)
	_ = host.Namespace.DelAddr("eth0", r.Addr) // a phone that restarts has none
	var missed []error
	for _, f := range r.Files {
		if f.Kind == phonefile.KindCommon {
			missed = append(missed, f.Err)
		}
	}
	return r, errors.Join(missed...)
}
