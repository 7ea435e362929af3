package dhcp

// Decode reads a client's message. The result holds no part of buf. The error is a *MalformedError.
func Decode(buf []byte) (*Request, error) { return nil, malformed("not yet") }

// DecodeForeign reads a server's message (op 2), to learn of other servers on the link.
func DecodeForeign(buf []byte) (*Foreign, error) { return nil, malformed("not yet") }
