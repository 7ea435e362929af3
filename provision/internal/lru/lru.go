// Package lru is a cache that drops what was used longest ago.
package lru

import (
	"container/list"
	"iter"
	"sync"
)

// Cache holds the values used last, bounded by their cost. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu      sync.Mutex
	limit   int64
	cost    int64
	order   list.List // front: used last
	entries map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

// New returns an empty cache that holds values up to the limit of their costs.
func New[K comparable, V any](limit int64) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, entries: make(map[K]*list.Element)}
}

// Get returns a value and marks it as used.
func (c *Cache[K, V]) Get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// Put stores a value and drops the ones used longest ago. A value that costs more than an eighth of the limit isn't stored.
func (c *Cache[K, V]) Put(k K, v V, cost int64) {
	if cost > c.limit/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.remove(e)
	}
	c.entries[k] = c.order.PushFront(&entry[K, V]{k, v, cost})
	c.cost += cost
	for c.cost > c.limit {
		c.remove(c.order.Back())
	}
}

// Delete drops one value.
func (c *Cache[K, V]) Delete(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.remove(e)
	}
}

// Clear drops all values.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.order.Init()
	c.cost = 0
}

// All returns the values and their keys, the ones used last first. It marks none as used.
func (c *Cache[K, V]) All() iter.Seq2[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*entry[K, V], 0, len(c.entries))
	for e := c.order.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*entry[K, V]))
	}
	return func(yield func(K, V) bool) {
		for _, x := range all {
			if !yield(x.key, x.value) {
				return
			}
		}
	}
}

func (c *Cache[K, V]) remove(e *list.Element) {
	x := c.order.Remove(e).(*entry[K, V])
	delete(c.entries, x.key)
	c.cost -= x.cost
}
