package config

import (
	"time"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// Upstream bounds the requests to PBXs that render phones' files.
type Upstream struct {
	Timeout time.Duration // for the answer of one PBX
	MaxSize int64         // bytes of a file
	CAFile  string        // PEM; "" for the authorities of this machine
}

func toUpstream(r values, dst *Upstream) yamlpos.Field {
	return func(n *yaml.Node, at string) {
		r.Fields(n, at, map[string]yamlpos.Field{
			"timeout":  r.toDuration(&dst.Timeout, 500*time.Millisecond, 10*time.Second),
			"max_size": r.toSize(&dst.MaxSize, 64<<10, 16<<20),
			"ca_file":  r.toPath(&dst.CAFile, true),
		})
	}
}
