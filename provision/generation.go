package provision

import (
	"errors"
	"net/netip"
	"sync"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/internal/callgroup"
	"plugtone/provision/internal/lru"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/resolve"
)

// How many entries the caches of a generation hold.
const (
	cachedDevices  = 8192
	cachedAgents   = 8192
	cachedNames    = 16384
	cachedProfiles = 1024
)

// generation is one configuration in force with every cache that depends on it. Packs and site never change: a reload makes
// new ones, and with them a new generation. Nothing else refers to a generation, so that it is freed when the last request
// that began under it has ended.
type generation struct {
	packs *pack.Set
	site  *fleet.Site

	names   *lru.Cache[string, []phonefile.Match] // shared: the matches must not be changed
	agents  *lru.Cache[string, pack.Identity]
	devices *lru.Cache[deviceKey, *fleet.Device] // shared: the records must not be changed; nil for a MAC without one
	files   *lru.Cache[fileKey, renderedFile]
	// upstreams has where the files of phones with a profile are rendered.
	upstreams *lru.Cache[profileKey, fleet.Upstream]
	renders   callgroup.Group[fileKey, renderedFile]
	places    resolve.Places

	mu       sync.Mutex
	revision uint64 // the newest of the records that was seen
}

// deviceKey is what a cached record depends on.
type deviceKey struct {
	mac      dhcp.MAC
	revision uint64
}

// fileKey is what rendered bytes depend on within one generation. The revision covers every record.
type fileKey struct {
	revision  uint64
	vendor    string
	file      string
	name      string
	mac       dhcp.MAC // zero: of no single phone
	model     string
	subnet    netip.Prefix
	anonymous bool
	masked    bool
	year      int
}

func newGeneration(packs *pack.Set, site *fleet.Site, fileBytes int64) *generation {
	return &generation{
		packs: packs, site: site,
		names:     lru.New[string, []phonefile.Match](cachedNames),
		agents:    lru.New[string, pack.Identity](cachedAgents),
		devices:   lru.New[deviceKey, *fleet.Device](cachedDevices),
		files:     lru.New[fileKey, renderedFile](fileBytes),
		upstreams: lru.New[profileKey, fleet.Upstream](cachedProfiles),
	}
}

// current returns the generation of the configuration in force.
func (s *Service) current() *generation {
	packs, site := s.c.Packs(), s.c.Site()
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.generation; g == nil || g.packs != packs || g.site != site {
		s.generation = newGeneration(packs, site, s.c.Cache)
	}
	return s.generation
}

// invalidate drops what was read and rendered before a newer revision: memory holds no passwords of the past.
func (g *generation) invalidate(revision uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if revision <= g.revision { // a request from before the change
		return
	}
	g.revision = revision
	g.files.Clear()
	g.devices.Clear()
	g.upstreams.Clear()
}

// identifyAgent returns what the user agent alone shows. Phones send the same one with every request.
func (g *generation) identifyAgent(agent string) pack.Identity {
	if agent == "" || len(agent) > 512 {
		return pack.Identity{}
	}
	if id, ok := g.agents.Get(agent); ok {
		return id
	}
	id := g.packs.Identify(pack.Evidence{UserAgent: agent})
	g.agents.Put(agent, id, 1)
	return id
}

// cachedDevice returns the device that has mac, nil without one, at the current revision of the records. ok is false when it
// was not read before at that revision. It opens no view.
func (g *generation) cachedDevice(records fleet.Records, mac dhcp.MAC) (d *fleet.Device, revision uint64, ok bool) {
	revision = records.Revision()
	d, ok = g.devices.Get(deviceKey{mac, revision})
	return d, revision, ok
}

// device returns the device that has mac, or nil.
func (g *generation) device(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	key := deviceKey{mac, f.Revision()}
	if d, ok := g.devices.Get(key); ok {
		return d, nil
	}
	return g.readDevice(f, key, anyDevice)
}

// readDevice reads a record that isn't cached. f is at the revision of key or a later one.
func (g *generation) readDevice(f fleet.View, key deviceKey, read deviceReader) (*fleet.Device, error) {
	d, err := read(f, key.mac)
	if err != nil {
		return nil, err
	}
	g.devices.Put(key, d, 1)
	return d, nil
}

// deviceReader returns the device that has a MAC, or nil.
type deviceReader func(fleet.View, dhcp.MAC) (*fleet.Device, error)

func anyDevice(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	d, err := f.DeviceByAny(mac)
	if errors.Is(err, fleet.ErrNotFound) {
		return nil, nil
	}
	return d, err
}
