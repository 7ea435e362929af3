package changing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
)

func asJSON(v any) (io.Reader, error) {
	b, err := json.Marshal(v)
	return bytes.NewReader(b), err
}

// lines gives the phones extensions in order: the first phone the first extension, and so on. "none" removes the line.
func lines(x selection, f *page.Form) write {
	at := page.ReadNumber(f, "position", 1, 255)
	text := f.Get("extensions")
	if text == "" || at == 0 {
		return nil
	}
	var numbers []string
	if !strings.EqualFold(text, "none") {
		var problem string
		if numbers, problem = Expand(words(text), len(x.Phones)); problem != "" {
			f.Problems["extensions"] = problem
			return nil
		}
	}
	var list []map[string]any
	for i, d := range x.Phones {
		out := slices.DeleteFunc(slices.Clone(d.Lines), func(l fleet.Line) bool { return l.Position == at })
		if numbers != nil {
			number, registrar, _ := strings.Cut(numbers[i], "@")
			out = append(out, fleet.Line{Position: at, Extension: number, Registrar: registrar})
		}
		slices.SortFunc(out, func(a, b fleet.Line) int { return a.Position - b.Position })
		list = append(list, map[string]any{"mac": d.MAC, "lines": out})
	}
	return document(list)
}

// Expand returns as many extensions as there are phones: single ones, and ranges such as 1001-1048. problem is what is wrong with them; "" when nothing
// is.
func Expand(parts []string, phones int) (out []string, problem string) {
	for _, part := range parts {
		number, registrar, _ := strings.Cut(part, "@")
		first, last, isRange := strings.Cut(number, "-")
		if !isRange {
			out = append(out, part)
			continue
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || to < from || len(first) != len(last) {
			return nil, fmt.Sprintf("%q is not a range such as 1001-1048", part)
		}
		for n := from; n <= to && len(out) <= phones; n++ {
			text := fmt.Sprintf("%0*d", len(first), n)
			if registrar != "" {
				text += "@" + registrar
			}
			out = append(out, text)
		}
	}
	if len(out) < phones {
		return nil, fmt.Sprintf("these are %s for %s", page.Plural(len(out), "extension", "extensions"), page.Plural(phones, "phone", "phones"))
	}
	if len(out) > phones && !strings.Contains(parts[len(parts)-1], "-") {
		return nil, fmt.Sprintf("these are more extensions than the %s", page.Plural(phones, "phone", "phones"))
	}
	return out[:phones], ""
}
