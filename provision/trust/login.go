package trust

import "plugtone/provision/trust/httpauth"

// Login is the user and password that came with a request, and those of the phone that they claim to be.
type Login struct {
	Sent   *httpauth.Credentials
	Method string
	Phone  *Credentials // nil: there is no such phone, or it has none
	Used   bool         // the phone has used its newest password: the one before counts no more
}

// Check reports whether the password is the phone's, and whether it is the newest one. It does the same work for phones
// that exist and for those that don't: two passwords are compared.
func (l Login) Check() (right, newest bool) {
	c := l.Phone
	if c == nil || c.Password == "" {
		c = dummyCredentials()
	}
	previous := c.Previous
	if previous == "" {
		previous = dummyCredentials().Previous
	}
	newest = l.Sent.Proves(c.Password.Reveal(), l.Method)
	older := l.Sent.Proves(previous.Reveal(), l.Method)
	known := l.Phone != nil && l.Phone.Password != "" && l.Sent.User == c.User
	return known && (newest || older && c.Previous != "" && !l.Used), known && newest
}
