package provision

// Cached returns how many rendered files and how many records are cached.
func (s *Service) Cached() (files, records int) {
	g := s.current()
	return g.files.Len(), g.devices.Len()
}
