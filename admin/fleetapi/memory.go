package fleetapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"plugtone/provision/deviceindex"
)

// Memory of operations on many records.
const (
	memoryFactor    = 16       // bytes for each byte of the body of an apply: the changed pages of the store and the change itself
	memoryPerRecord = 4 << 10  // bytes for each record that another operation writes: likewise
	memoryPerExport = 1 << 10  // bytes for each device that is exported, with its extension: nothing is kept
	unknownBody     = 16 << 20 // bytes that a body counts as whose length is not known before it is read
)

// grantMemory lets the process use the memory of an apply, from before its body is read until it has been answered.
func (s fleets) grantMemory(c huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(c) // the page's requests, within the process, have a length and no header
	length := r.ContentLength
	if length < 0 {
		length = unknownBody
	}
	defer s.grant(min(length, maxFleet) * memoryFactor)()
	next(c)
}

// grant lets the process use some bytes more until done is called.
func (s *core) grant(bytes int64) (done func()) {
	if s.Memory == nil {
		return func() {}
	}
	return s.Memory(bytes)
}

// grantRecords lets the process use the memory of a change of some records until done is called.
func (s *core) grantRecords(n int) (done func()) { return s.grant(int64(n) * memoryPerRecord) }

// grantExport lets the process use the memory of an export until done is called.
func (x exporter) grantExport(ctx context.Context) (done func(), err error) {
	n := len(x.selected)
	if x.where == nil && !x.named {
		all, err := x.Index.Count(ctx, deviceindex.Query{}, nil)
		if err != nil {
			return nil, err
		}
		n = all.Total
	}
	return x.grant(int64(n) * memoryPerExport), nil
}
