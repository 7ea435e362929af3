package provision

import "maps"

// Cached returns how many rendered files and how many records are cached.
func (s *Service) Cached() (files, records int) {
	g := s.current()
	return len(maps.Collect(g.files.All())), len(maps.Collect(g.devices.All()))
}
