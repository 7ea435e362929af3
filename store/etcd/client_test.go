package etcd

import (
	"testing"
	"time"
)

// A server of etcd closes connections that are pinged more often than every 5 seconds, or while no call is under way. It has no flag that
// permits the second.
func TestPingsAreThoseThatEtcdTakes(t *testing.T) {
	t.Parallel()
	c, err := Open(Config{Endpoints: []string{"http://127.0.0.1:1"}, Prefix: "/plugtone/"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.cfg.PermitWithoutStream || c.cfg.DialKeepAliveTime < 2*5*time.Second {
		t.Errorf("pings every %s, without calls: %v", c.cfg.DialKeepAliveTime, c.cfg.PermitWithoutStream)
	}
}
