package render

import (
	"strings"
	"sync"
	"sync/atomic"
)

// nameCache remembers, for one format, what has been worked out of the names of parameters: they are the same in the files of all phones.
type nameCache struct {
	m      sync.Map // string to *knownName
	count  atomic.Int64
	places indexPool
}

// maxCachedNames bounds what is remembered; operators may make up parameters of their own.
const maxCachedNames = 20000

type parsedName struct {
	full  string // tree: the path below the root
	steps []step // tree
	err   error
}

func (f *Format) name(name string) *parsedName {
	if f.names == nil { // a format that was not checked, as in tests
		return f.parseName(name)
	}
	if k, ok := f.names.m.Load(name); ok {
		return k.(*parsedName)
	}
	k := f.parseName(name)
	if f.names.count.Add(1) <= maxCachedNames {
		f.names.m.Store(strings.Clone(name), k)
	}
	return k
}

func (f *Format) parseName(name string) *parsedName {
	k := &parsedName{full: strings.Clone(name)}
	if f.Kind == "tree" {
		k.full = f.fullPath(name)
		k.steps, k.err = parsePath(k.full)
	} else {
		k.err = f.checkPlainName(name)
	}
	return k
}

// indexPool is pooled: most files have hundreds of parameters, and all that is asked is whether one stands twice.
type indexPool struct{ p sync.Pool }

func (f *Format) getIndex() map[string]int {
	if f.names != nil {
		if m, ok := f.names.places.p.Get().(map[string]int); ok {
			return m
		}
	}
	return make(map[string]int, 64)
}

func (f *Format) putIndex(m map[string]int) {
	if f.names != nil && len(m) < 5000 {
		clear(m)
		f.names.places.p.Put(m)
	}
}
