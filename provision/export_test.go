package provision

// Sources tells how many requesters without proof are remembered.
func (s *Service) Sources() int {
	return len(s.guesses.connected.entries) + len(s.guesses.datagrams.entries)
}

// Cached tells how many rendered files and how many records are at hand.
func (s *Service) Cached() (files, records int) { return len(s.files.entries), len(s.devices.entries) }
