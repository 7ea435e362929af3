package recordlog

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A large transaction takes seconds, in which other members add many small ones: it would come after them each time. After triesBeforeTurn of its
// runs its member writes the key of the turn. While that is there, no other member adds an entry: its transactions wait.
const (
	triesBeforeTurn = 3
	turnTime        = time.Minute      // after which the turn of a member that has died ends
	turnWait        = 10 * time.Second // how long a transaction waits for the turn of another member
	turnEvery       = 50 * time.Millisecond
)

// turn is the turn that this member has.
type turn struct {
	turnMu sync.Mutex
	value  string // of the key; "": it has none
}

// own returns the value of the key of this member's turn.
func (t *turn) own() string {
	t.turnMu.Lock()
	defer t.turnMu.Unlock()
	return t.value
}

// set notes that this member has the turn, or if value is "", that it has none.
func (t *turn) set(value string) {
	t.turnMu.Lock()
	defer t.turnMu.Unlock()
	t.value = value
}

// mayAdd is the condition that no other member has the turn.
func (t *turn) mayAdd() clientv3.Cmp {
	if own := t.own(); own != "" {
		return clientv3.Compare(clientv3.Value(turnKey), "=", own)
	}
	return clientv3.Compare(clientv3.CreateRevision(turnKey), "=", 0)
}

// takeTurn takes the turn if it is free, and returns what ends it; nil if this member has it already, or does not get it. Without an answer of
// etcd it may have it.
func takeTurn(l *Log) (end func()) {
	if l.own() != "" {
		return nil
	}
	value := l.Member + " " + rand.Text()
	made, err := l.Etcd.Reserve(l.ctx, turnKey, value, turnTime)
	if err == nil && !made {
		return nil // it goes on without: see offers of package dbfile
	}
	l.set(value)
	return func() {
		l.set("")
		mine := clientv3.Compare(clientv3.Value(turnKey), "=", value)
		if _, err := l.Etcd.Txn(l.ctx, []clientv3.Cmp{mine}, []clientv3.Op{clientv3.OpDelete(turnKey)}, nil); err != nil {
			l.Log.Warn("the turn of this member ends in a minute", "err", err)
		}
	}
}

// awaitTurn waits until no other member has the turn. It returns an error when that takes too long.
func awaitTurn(l *Log) error {
	ctx, cancel := context.WithTimeout(l.ctx, turnWait)
	defer cancel()
	for {
		r, err := l.Etcd.Get(l.ctx, turnKey)
		if err != nil {
			return err
		}
		own := l.own()
		switch {
		case len(r.Kvs) == 0 && own == "" || len(r.Kvs) > 0 && string(r.Kvs[0].Value) == own:
			return nil
		case own != "": // it has ended by itself
			l.set("")
			continue
		}
		select {
		case <-ctx.Done():
			member, _, _ := strings.Cut(string(r.Kvs[0].Value), " ")
			return fmt.Errorf("member %s makes a large change: try again in a minute", member)
		case <-time.After(turnEvery):
		}
	}
}
