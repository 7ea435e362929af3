package api

import (
	"encoding/base64"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/dhcp"
)

// ListInput is what every paged list takes.
type ListInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"items a page"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
	Q      string `query:"q" maxLength:"100" doc:"only items that have this text in them, in any case"`
}

// page collects one page of what seq yields, which is in the order of key, from after the cursor on.
func page[T any](in ListInput, seq iter.Seq2[T, error], key func(T) string, match func(T, string) bool) (client.Page[T], error) {
	out := client.Page[T]{Items: []T{}}
	after, err := readCursor(in.Cursor)
	if err != nil {
		return out, err
	}
	q := lowerTrim(in.Q)
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		if in.Cursor != "" && key(v) <= after || q != "" && !match(v, q) {
			continue
		}
		out.Items = append(out.Items, v)
		if len(out.Items) > in.Limit {
			out.Items = out.Items[:in.Limit]
			out.NextCursor = writeCursor(key(out.Items[in.Limit-1]))
			break
		}
	}
	return out, nil
}

func writeCursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

func readCursor(cursor string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", problem.Field("query.cursor", cursor, "is no next_cursor of a page")
	}
	return string(b), nil
}

// values yields the elements of a slice as page takes them.
func values[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// mapped yields what f makes of each value.
func mapped[A, B any](seq iter.Seq2[A, error], f func(A) B) iter.Seq2[B, error] {
	return func(yield func(B, error) bool) {
		for a, err := range seq {
			var b B
			if err == nil {
				b = f(a)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// only yields the values that f takes.
func only[T any](seq iter.Seq2[T, error], f func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range seq {
			if err == nil && !f(v) {
				continue
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// contains reports whether one of the texts has q in it; q is lower case.
func contains(q string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), q) })
}

// containsMAC is contains for a MAC in any of its forms.
func containsMAC(q string, macs ...dhcp.MAC) bool {
	bare := strings.NewReplacer(":", "", "-", "", ".", "").Replace(q)
	return bare != "" && slices.ContainsFunc(macs, func(m dhcp.MAC) bool { return strings.Contains(m.Hex(), bare) })
}

func parseMAC(location, s string) (dhcp.MAC, error) {
	m, err := dhcp.ParseMAC(s)
	if err != nil {
		return m, problem.Field(location, s, problem.MACForms)
	}
	return m, nil
}

// parsePrefix reads an optional subnet.
func parsePrefix(location, s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, problem.Field(location, s, "is no subnet: write it as 10.20.0.0/22")
	}
	return p.Masked(), nil
}

func parseIP(location, s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return a, problem.Field(location, s, problem.IPForm)
	}
	return a, nil
}

func lowerTrim(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
