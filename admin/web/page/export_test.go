package page

// Parse parses every template. Its error is that of the first that is wrong.
func (t *Templates) Parse() error {
	for _, parse := range t.sets {
		if _, err := parse(); err != nil {
			return err
		}
	}
	return nil
}
