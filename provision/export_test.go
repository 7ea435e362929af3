package provision

// Sources returns how many requesters without proof are remembered.
func (s *Service) Sources() int { return s.trust.Enumeration().Sources() }

// Cached returns how many rendered files and how many records are cached.
func (s *Service) Cached() (files, records int) {
	g := s.current()
	return g.files.Len(), g.devices.Len()
}
