package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSiteIsCutOff: a site's member that leases a subnet of its own is cut off from etcd, and restarts meanwhile. It serves its phones, known
// and new ones, and refuses changes. The others change more than etcd keeps: when the line is back the site loads all records, and what was
// changed is in the files of its phones.
func TestSiteIsCutOff(t *testing.T) {
	t.Parallel()
	c := newClusterLab(t, "pools: [10.20.1.10-10.20.1.90], routers: [10.20.0.1]", "a")
	link, err := c.lab.Bridge("site")
	c.check(err)
	c.hosts["site"] = c.host("site", "192.0.2.9/24", link, "10.30.0.2/16")
	c.configure("site", "subnet: 10.30.0.0/16, pools: [10.30.1.10-10.30.1.90], routers: [10.30.0.1]")
	c.runs("a", "registrar", "set", "main", "--host", "pbx.example.com")
	c.runs("a", "extension", "set", "1001", "--password", "geheim-before")
	c.runs("a", "device", "add", "00:15:65:00:00:01", "--model", "yealink/T46U", "--line", "1001")
	c.startMember("site")
	known := c.phoneOn(link, 1)
	known.boot(5)
	known.bound()
	fetches := func(password string) {
		t.Helper()
		c.eventually("the phone has "+password, func() bool { return strings.Contains(known.fetch("http://10.30.0.2/001565000001.cfg"), password) })
	}
	fetches("geheim-before")

	site := c.hosts["site"]
	c.check(site.ns.Down("mgmt0"))
	c.eventually("the site notices", func() bool { return strings.Contains(c.plugtone("site", "status"), "etcd does not answer") })
	site.kill()
	c.startMember("site")
	const changes = 1100 // more than are kept
	api := c.api("a")
	for n := range changes {
		api.put(n%50, fmt.Sprint("change ", n))
	}
	c.runs("a", "extension", "set", "1001", "--password", "geheim-after")
	c.eventually("etcd has no old changes", func() bool {
		first, _, _ := strings.Cut(c.etcd.ctl("get", "--prefix", "--keys-only", "--limit", "1", "/plugtone/records/log/"), "\n")
		return first > fmt.Sprintf("/plugtone/records/log/%016x", 100)
	})
	c.etcd.ctl("compact", c.etcd.revision())

	known.extended(known.last.ip, allServers)
	stranger := c.phoneOn(link, 2)
	stranger.boot(5)
	if e := stranger.bound(); e.server != "10.30.0.2" {
		t.Errorf("%+v", e)
	}
	fetches("geheim-before")
	if out := c.plugtone("site", "extension", "set", "1001", "--password", "geheim-lost"); !strings.Contains(out, "records can't be changed now") {
		t.Errorf("a change at the site: %s", out)
	}

	c.check(site.ns.Up("mgmt0"))
	c.siteIsBack(fetches, fmt.Sprint("change ", changes-1))
}

// siteIsBack checks that the member site has what the others have changed, up to the last label, and its phone too; and that the others have what
// is changed there, and show whether its phone is up to date.
func (c *clusterLab) siteIsBack(fetches func(password string), last string) {
	c.t.Helper()
	c.eventually("the site follows", func() bool {
		return strings.Contains(c.plugtone("site", "cluster", "status"), "follow, at change") && strings.Contains(c.plugtone("site", "device", "list"), last)
	})
	c.logged("site", "the records of this appliance are replaced by those of the cluster")
	fetches("geheim-after")
	c.runs("site", "extension", "set", "1001", "--password", "geheim-by-site")
	c.eventually("a has the site's change", func() bool {
		return strings.Contains(c.plugtone("a", "device", "files", "00:15:65:00:00:01", "001565000001.cfg", "--reveal"), "geheim-by-site")
	})
	fetches("geheim-by-site")
	c.upToDate("a", "in_sync")
	c.runs("a", "extension", "set", "1001", "--password", "geheim-last")
	c.upToDate("a", "stale")
}

// upToDate waits until a member shows the state of a phone.
func (c *clusterLab) upToDate(member, state string) {
	c.t.Helper()
	c.eventually(member+" shows "+state, func() bool { return strings.Contains(c.plugtone(member, "device", "list"), state) })
}

// runs runs a command with a member's API, which must succeed. A change is made again while the member has no answer from etcd, or has just had the
// first one.
func (c *clusterLab) runs(member string, args ...string) {
	c.t.Helper()
	c.eventually(fmt.Sprint(member, " runs ", args), func() bool {
		out := c.plugtone(member, args...)
		if strings.Contains(out, "records can't be changed now") {
			return false
		}
		if strings.Contains(out, "plugtone: ") {
			c.t.Fatalf("%s: %v: %s", member, args, out)
		}
		return true
	})
}

// fetch fetches a file as the phone does, and returns it or the error.
func (p *labPhone) fetch(url string) string {
	client := http.Client{Transport: &http.Transport{DialContext: p.ns.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(p.lab.t.Context(), http.MethodGet, url, nil)
	p.lab.check(err)
	req.Header.Set("User-Agent", "Yealink SIP-T46U 108.86.0.90 "+p.mac)
	r, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	p.lab.check(err)
	return string(text)
}

// labAPI is a client of a member's API.
type labAPI struct {
	lab    *clusterLab
	client http.Client
}

func (c *clusterLab) api(member string) *labAPI {
	return &labAPI{c, http.Client{Transport: adminTransport(filepath.Join(c.dir, member+".sock"))}}
}

// put writes a device record. A member that has just had no answer from etcd refuses it; it is written again, as the message says.
func (a *labAPI) put(n int, label string) {
	a.lab.t.Helper()
	var problem string
	for range 120 {
		body := fmt.Sprintf(`{"vendor": "yealink", "model": "T46U", "label": %q}`, label)
		req, err := http.NewRequestWithContext(a.lab.t.Context(), http.MethodPut, fmt.Sprintf("http://plugtone/api/v1/devices/00:15:65:02:%02x:%02x", n>>8, n&255), bytes.NewBufferString(body))
		a.lab.check(err)
		req.Header.Set("Content-Type", "application/json")
		r, err := a.client.Do(req)
		a.lab.check(err)
		text, err := io.ReadAll(r.Body)
		a.lab.check(errors.Join(err, r.Body.Close()))
		if r.StatusCode < 300 {
			return
		}
		problem = fmt.Sprintf("%s: %s", r.Status, text)
		if r.StatusCode != http.StatusServiceUnavailable {
			break
		}
		time.Sleep(500 * time.Millisecond) // etcd is another program
	}
	a.lab.t.Fatal(problem)
}
