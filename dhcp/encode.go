package dhcp

// Encode appends the packet to buf and tells which options did not fit.
func (r *Reply) Encode(buf []byte, mtu int) (packet []byte, dropped []uint8) { return buf, nil }

// Summary prints the options in short form.
func (r *Reply) Summary(dropped []uint8) string { return "" }
