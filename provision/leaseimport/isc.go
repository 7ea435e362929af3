package leaseimport

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
)

// token is a word, a quoted string, or one of ; { } of a dhcpd.leases file.
type token struct {
	text   string
	line   int
	quoted bool
}

func (t token) is(s string) bool { return !t.quoted && t.text == s }

// isc reads dhcpd.leases (dhcpd.leases(5)), whose times are in UTC and of which the last entry of an address counts, or dhcpd.conf
// (dhcpd.conf(5)).
func (c *collector) isc(text string) {
	tokens, err := scan(text)
	if err != nil {
		c.faults = append(c.faults, fmt.Errorf("%s: %w", c.place(err.line), err))
		return
	}
	c.iscBlock(tokens)
}

// iscBlock reads statements, and those of the blocks in them: a host may be in a group, subnet, shared network or pool.
func (c *collector) iscBlock(tokens []token) {
	for len(tokens) > 0 {
		head, rest := statement(tokens)
		if len(rest) == 0 || !rest[0].is("{") {
			if len(head) == 2 && head[0].is("include") {
				c.included(head[0].line, head[1].text, c.isc)
			}
			tokens = rest[min(1, len(rest)):]
			continue
		}
		body, after, ok := block(rest)
		if !ok {
			c.fault(rest[0].line, "the block that begins here has no end; copy the file again")
			return
		}
		tokens = after
		switch {
		case len(head) == 2 && head[0].is("lease"):
			c.iscLease(head[1], body)
		case len(head) == 2 && head[0].is("host"):
			c.iscHost(head[1], body)
		case len(head) > 0 && strings.HasPrefix(head[0].text, "ia-"):
			c.file.Skipped++ // IPv6
		default:
			c.iscBlock(body)
		}
	}
}

// statement returns the words up to the next ; { or } and what follows them.
func statement(t []token) (head, rest []token) {
	for i := range t {
		if t[i].is(";") || t[i].is("{") || t[i].is("}") {
			return t[:i], t[i:]
		}
	}
	return t, nil
}

// block returns what is between the brace that t begins with and the one that closes it.
func block(t []token) (body, after []token, ok bool) {
	depth := 0
	for i := range t {
		switch {
		case t[i].is("{"):
			depth++
		case t[i].is("}"):
			if depth--; depth == 0 {
				return t[1:i], t[i+1:], true
			}
		}
	}
	return nil, nil, false
}

func (c *collector) iscLease(addr token, body []token) {
	var l ForeignLease
	var err error
	if l.IP, err = netip.ParseAddr(addr.text); err != nil || !l.IP.Is4() {
		c.fault(addr.line, "lease %.40q: must be an IPv4 address", addr.text)
		return
	}
	ends := false
	for len(body) > 0 {
		head, rest := statement(body)
		body = rest[min(1, len(rest)):]
		if len(rest) > 0 && rest[0].is("{") {
			_, body, _ = block(rest) // on expiry { ... } and the like
			continue
		}
		if len(head) < 2 {
			continue
		}
		if err := l.setISC(head); err != nil {
			c.fault(head[0].line, "lease %s: %s %w", l.IP, head[0].text, err)
			return
		}
		ends = ends || head[0].is("ends")
	}
	switch {
	case l.Ended: // a free address may have no client
		c.add(l)
	case l.MAC.IsZero():
		c.file.Skipped++
	case !ends:
		c.fault(addr.line, "lease %s: ends is missing", l.IP)
	default:
		c.add(l)
	}
}

// setISC applies one statement of a lease.
func (l *ForeignLease) setISC(words []token) (err error) {
	value := words[len(words)-1].text
	switch words[0].text {
	case "starts":
		l.Starts, err = iscTime(words[1:])
	case "ends":
		l.Expires, err = iscTime(words[1:])
	case "hardware":
		if words[1].is("ethernet") {
			l.MAC, err = dhcp.ParseMAC(value)
		}
	case "binding":
		l.Ended = value != "active" && value != "bootp"
	case "client-hostname":
		l.Hostname = hostname(value)
	case "uid":
		if l.ClientID = hexID(value); words[1].quoted {
			l.ClientID = hexID(hex.EncodeToString([]byte(value)))
		}
	}
	return err
}

// iscTime reads "never", "epoch SECONDS" or "WEEKDAY YYYY/MM/DD HH:MM:SS". Never is the zero time.
func iscTime(words []token) (time.Time, error) {
	switch {
	case len(words) == 1 && words[0].is("never"):
		return time.Time{}, nil
	case len(words) == 2 && words[0].is("epoch"):
		return seconds(words[1].text)
	case len(words) == 3:
		if t, err := time.Parse("2006/01/02 15:04:05", words[1].text+" "+words[2].text); err == nil {
			return t, nil
		}
	}
	var text []string
	for _, w := range words {
		text = append(text, w.text)
	}
	return time.Time{}, fmt.Errorf("%.60q must be never, epoch SECONDS or WEEKDAY YYYY/MM/DD HH:MM:SS", strings.Join(text, " "))
}

// scanError is a string without an end.
type scanError struct{ line int }

func (*scanError) Error() string {
	return "the string that begins here has no end; copy the file again"
}

// scan splits a file into tokens. Comments go from # to the end of the line.
func scan(text string) (out []token, err *scanError) {
	line := 1
	for i := 0; i < len(text); {
		switch b := text[i]; {
		case b == '\n':
			line++
			i++
		case b == ' ' || b == '\t' || b == '\r':
			i++
		case b == '#':
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				return out, nil
			}
			i += n
		case b == ';' || b == '{' || b == '}':
			out = append(out, token{text: text[i : i+1], line: line})
			i++
		case b == '"':
			s, n := unquote(text[i+1:])
			if n < 0 {
				return nil, &scanError{line}
			}
			out = append(out, token{text: s, line: line, quoted: true})
			line += strings.Count(text[i:i+1+n], "\n")
			i += 1 + n
		default:
			n := strings.IndexAny(text[i:], " \t\r\n;{}\"#")
			if n < 0 {
				n = len(text) - i
			}
			out = append(out, token{text: text[i : i+n], line: line})
			i += n
		}
	}
	return out, nil
}

// unquote reads a string after its opening quote. It returns the length up to and with the closing one, -1 when there is none. A
// backslash comes before three octal digits, or before the byte that it escapes.
func unquote(text string) (s string, length int) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), i + 1
		case text[i] != '\\':
			b.WriteByte(text[i])
		case i+3 < len(text) && octal(text[i+1]) && octal(text[i+2]) && octal(text[i+3]):
			b.WriteByte((text[i+1]-'0')<<6 | (text[i+2]-'0')<<3 | (text[i+3] - '0'))
			i += 3
		case i+1 < len(text):
			i++
			b.WriteByte(text[i])
		}
	}
	return "", -1
}

func octal(b byte) bool { return '0' <= b && b <= '7' }
