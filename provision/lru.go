package provision

import (
	"container/list"
	"sync"
)

// lru keeps the values used last, bounded by their cost. Keys hold everything that a value depends on, so a value is
// never wrong.
type lru[K comparable, V any] struct {
	mu      sync.Mutex
	most    int64
	cost    int64
	order   list.List // front: used last
	entries map[K]*list.Element
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

func newLRU[K comparable, V any](most int64) *lru[K, V] {
	return &lru[K, V]{most: most, entries: make(map[K]*list.Element)}
}

// get finds a value and marks it as used.
func (c *lru[K, V]) get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

// put keeps a value and drops the ones used longest ago. What costs more than an eighth of the whole isn't kept.
func (c *lru[K, V]) put(k K, v V, cost int64) {
	if cost > c.most/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.remove(e)
	}
	c.entries[k] = c.order.PushFront(&lruEntry[K, V]{k, v, cost})
	c.cost += cost
	for c.cost > c.most {
		c.remove(c.order.Back())
	}
}

// clear drops all values.
func (c *lru[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.order.Init()
	c.cost = 0
}

func (c *lru[K, V]) remove(e *list.Element) {
	x := c.order.Remove(e).(*lruEntry[K, V])
	delete(c.entries, x.key)
	c.cost -= x.cost
}
