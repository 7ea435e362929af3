// Package prepare renders phones' files after the start, before the phones request them: after a power cut a whole site boots at once,
// and rendering is most of the work. It begins with the phones that fetched last, and does not delay phones that request files at the time.
package prepare

import (
	"cmp"
	"container/heap"
	"context"
	"net/http"
	"slices"
	"time"

	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
)

const (
	pageSize   = 256                    // fetches read at a time
	overhead   = 512                    // bytes that a cached file takes besides its own
	quietTime  = 250 * time.Millisecond // since a phone was last served: then none is waiting
	politeness = 20 * time.Millisecond  // pause after each file and page while phones are served
)

// Fetches lists what phones have fetched: store.Store.
type Fetches interface {
	FetchesAfter(key []byte, n int) (page []fleet.Fetch, next []byte, err error)
}

// Answerer renders files: provision.Service.
type Answerer interface {
	Answer(ctx context.Context, r provision.Request) provision.Answer
}

// Config is what Run needs. All members are required.
type Config struct {
	Fetches   Fetches
	Answerer  Answerer
	LastPhone func() time.Time // when a phone was last served
	Now       func() time.Time
	Bytes     int64 // of files to render: less than the cache holds
}

// Run renders files until Config.Bytes of them are in the cache, or all. It returns how many were rendered.
func (c Config) Run(ctx context.Context) (files int, err error) {
	latest, err := c.latest(ctx)
	if err != nil {
		return 0, err
	}
	for _, f := range latest {
		if err := c.pause(ctx); err != nil {
			return files, nil // the daemon stops
		}
		a := c.Answerer.Answer(ctx, provision.Request{Time: c.Now(), Transport: fleet.Preview, Method: http.MethodGet, Name: f.File, From: f.From, As: f.MAC})
		if a.Content != nil {
			_ = a.Content.Close() // it was only opened
		}
		if a.Outcome == provision.Served {
			files++
		}
	}
	return files, nil
}

// latest returns the fetches of rendered files that were made last, the newest first, as many as fit.
func (c Config) latest(ctx context.Context) ([]fleet.Fetch, error) {
	var selected oldestFirst
	var size int64
	for key := []byte(nil); ; {
		page, next, err := c.Fetches.FetchesAfter(key, pageSize)
		if err != nil {
			return nil, err
		}
		for _, f := range page {
			if f.Kind != string(phonefile.KindDevice) && f.Kind != string(phonefile.KindPrivate) {
				continue
			}
			heap.Push(&selected, f)
			size += f.Size + overhead
			for size > c.Bytes {
				size -= heap.Pop(&selected).(fleet.Fetch).Size + overhead
			}
		}
		if key = next; key == nil {
			break
		}
		if c.pause(ctx) != nil {
			return nil, nil
		}
	}
	slices.SortFunc(selected, func(a, b fleet.Fetch) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.File, b.File)) })
	return selected, nil
}

// pause leaves the processor to phones that are being served. It returns an error when the daemon stops.
func (c Config) pause(ctx context.Context) error {
	if c.Now().Sub(c.LastPhone()) < quietTime {
		timer := time.NewTimer(politeness)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return ctx.Err()
}

// oldestFirst is a heap of fetches.
type oldestFirst []fleet.Fetch

func (h oldestFirst) Len() int           { return len(h) }
func (h oldestFirst) Less(i, j int) bool { return h[i].Time.Before(h[j].Time) }
func (h oldestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *oldestFirst) Push(f any)        { *h = append(*h, f.(fleet.Fetch)) }

// Pop removes the last element, for container/heap.
func (h *oldestFirst) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	*h = (*h)[:last]
	return f
}
