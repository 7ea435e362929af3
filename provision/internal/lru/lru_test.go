package lru

import "testing"

func TestCacheKeepsToItsBound(t *testing.T) {
	c := New[int, string](80)
	for i := range 100 {
		c.Put(i, "x", 10)
		if c.cost > 80 || len(c.entries) > 8 || c.order.Len() != len(c.entries) {
			t.Fatalf("after %d: cost %d, %d entries, %d in order", i, c.cost, len(c.entries), c.order.Len())
		}
	}
	if _, ok := c.Get(91); ok {
		t.Error("the oldest is still there")
	}
	if _, ok := c.Get(92); !ok {
		t.Error("one of the last eight is gone")
	}
	c.Put(100, "x", 10) // pushes out 93, for 92 was used just now
	if _, ok := c.Get(92); !ok {
		t.Error("what was used last is gone")
	}
	if _, ok := c.Get(93); ok {
		t.Error("what was used longest ago is still there")
	}
	c.Put(100, "y", 5)
	if v, ok := c.Get(100); !ok || v != "y" || c.cost != 75 {
		t.Errorf("replaced value %q, cost %d", v, c.cost)
	}
	c.Put(200, "huge", 11)
	if _, ok := c.Get(200); ok || c.cost != 75 {
		t.Errorf("a value of more than an eighth is kept; cost %d", c.cost)
	}
}
