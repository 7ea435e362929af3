package provision

// Sources tells how many requesters without proof are remembered.
func (s *Service) Sources() int { return len(s.guesses.sources.entries) }
