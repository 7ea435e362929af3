package sharedleases_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"plugtone/store/etcd/etcdtest"
	"plugtone/store/etcd/sharedleases"
)

// slowLine returns the URL of a line to an address that passes so many bytes a second towards the client. underWay is closed when it has passed
// that many.
func slowLine(t *testing.T, to string, bytes int) (url string, underWay chan struct{}) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	underWay = make(chan struct{})
	passedMuch := sync.OnceFunc(func() { close(underWay) })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp4", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() {
				defer client.Close()
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for passed := 0; ; passed++ {
					if passed == 100 {
						passedMuch()
					}
					<-tick.C
					if _, err := io.CopyN(client, server, int64(bytes/100)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), underWay
}

// A list that takes longer than one call may is read all the same, as of one moment.
func TestALongListOverASlowLineIsReadInPages(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	fast := sharedleases.Etcd(e.Client(t))
	const n = 10_000
	value := []byte(strings.Repeat("x", 150))
	for i := 0; i < n; i += 100 {
		var then []sharedleases.Write
		for k := range 100 {
			then = append(then, sharedleases.Write{Key: fmt.Sprintf("leases/%06d", i+k), Value: value})
		}
		if _, err := fast.Txn(t.Context(), sharedleases.Txn{Then: then}); err != nil {
			t.Fatal(err)
		}
	}
	url, underWay := slowLine(t, strings.TrimPrefix(e.Endpoints()[0], "http://"), 500_000)
	slow := sharedleases.Etcd(etcdtest.Client(t, url))
	began := time.Now()
	done := make(chan error)
	go func() { // a change while the list is read
		<-underWay
		_, err := fast.Txn(t.Context(), sharedleases.Txn{Then: []sharedleases.Write{{Key: "leases/009999", Delete: true}, {Key: "leases/1"}}})
		done <- err
	}()
	records, revision, err := slow.List(t.Context(), "leases/")
	if err != nil {
		t.Fatalf("after %s: %v", time.Since(began), err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(records) != n || records[0].Key != "leases/000000" || records[n-1].Key != "leases/009999" || revision != records[n-1].Revision {
		t.Errorf("%d records at revision %d, the last one %+v", len(records), revision, records[len(records)-1])
	}
	t.Logf("%d records in %s", n, time.Since(began).Round(time.Millisecond))
}
