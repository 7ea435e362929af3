package timeline

// IsFile tells whether entries of this source are about files.
func IsFile(source string) bool { return source == "tftp" || source == "http" || source == "https" }
