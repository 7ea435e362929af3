package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/store"
)

// ourselves is the actor in the audit log of changes that the daemon makes by itself.
const ourselves = "plugtone"

// usedPasswords collects the new passwords that phones have used.
type usedPasswords struct {
	mu   sync.Mutex
	last map[dhcp.MAC]setting.Secret
}

func (u *usedPasswords) add(mac dhcp.MAC, password setting.Secret) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[dhcp.MAC]setting.Secret{}
	}
	u.last[mac] = password
}

func (u *usedPasswords) drain() map[dhcp.MAC]setting.Secret {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.last
	u.last = nil
	return out
}

// credentials makes the phones' own passwords and retires old ones.
type credentials struct {
	records  *store.Store
	log      *slog.Logger
	used     usedPasswords
	reloaded chan struct{} // holds a token after a reload
}

// retireEvery is how often old passwords are retired, all in one edit.
const retireEvery = 10 * time.Second

// run makes the credentials that are missing, and retires old passwords when the new ones have been used.
func (c *credentials) run(ctx context.Context, ready func()) error {
	ready()
	c.fill()
	tick := time.NewTicker(retireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.retire()
			return nil
		case <-c.reloaded:
			c.fill()
		case <-tick.C:
			c.retire()
		}
	}
}

// fill makes the credentials of records from before there was a URL to use them at.
func (c *credentials) fill() {
	if n, err := fleet.FillCredentials(c.records, ourselves); err != nil {
		c.log.Error("credentials of phones that have none", "err", err)
	} else if n > 0 {
		c.log.Info("credentials made", "phones", n)
	}
}

func (c *credentials) retire() {
	used := c.used.drain()
	if len(used) == 0 {
		return
	}
	if err := fleet.RetirePasswords(c.records, ourselves, used); err != nil {
		c.log.Error("retire old passwords", "err", err)
		for mac, password := range used {
			c.used.add(mac, password) // one that is used meanwhile is the same, or is used again
		}
	}
}
