package render

import (
	"strings"
	"sync"
	"sync/atomic"
)

// nameCache stores, for one format, what was parsed from the names of parameters: they are the same in the files of all
// phones. A phone's files take a fifth of the time with it where names are paths (BenchmarkRender/grandstream and fanvil
// in provision/vendors).
type nameCache struct {
	m     sync.Map // string to *parsedName
	count atomic.Int64
}

// maxCachedNames bounds a cache: operators may make up parameters of their own.
const maxCachedNames = 8192

type parsedName struct {
	full  string // tree: the path below the root
	steps []step // tree
	err   error
}

func (f *Format) name(name string) *parsedName {
	if f.names == nil { // a format that was not checked
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
