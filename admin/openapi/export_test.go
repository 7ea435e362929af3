package openapi

// TextIDs lists the operations that texts.go describes.
func TextIDs() (ids []string) {
	for id := range texts {
		ids = append(ids, id)
	}
	return ids
}
