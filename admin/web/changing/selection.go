package changing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/dhcp"
)

// selection is the phones that a draft is about.
type selection struct {
	All      bool // all that match Where and Q; MACs are then not in the address
	Where, Q string
	Phones   []client.Device
}

// errNoPhones is the answer to a draft without phones.
var errNoPhones = &client.Problem{Status: http.StatusUnprocessableEntity, Detail: "no phones are selected"}

// selected reads the phones of a draft. All come from one list, so that they have the order of the list of phones; named ones have the order in which
// they are named.
func (s screen) selected(ctx context.Context, f url.Values) (selection, error) {
	x := selection{All: f.Get("all") != "", Where: f.Get("where"), Q: f.Get("q")}
	if x.All {
		q := url.Values{"sort": {"label"}}
		for name, value := range map[string]string{"where": x.Where, "q": x.Q} {
			if value != "" {
				q.Set(name, value)
			}
		}
		var err error
		if x.Phones, err = s.API.Devices().All(ctx, q); err != nil {
			return x, err
		}
	} else {
		read := s.recorded
		if f.Get("action") == "adopt" {
			read = s.found
		}
		for _, text := range f["mac"] {
			d, err := read(ctx, text)
			if err != nil {
				return x, err
			}
			if !slices.ContainsFunc(x.Phones, func(o client.Device) bool { return o.MAC == d.MAC }) {
				x.Phones = append(x.Phones, d)
			}
		}
	}
	if len(x.Phones) == 0 {
		return x, errNoPhones
	}
	return x, nil
}

// MACs returns the phones' addresses.
func (x selection) MACs() []dhcp.MAC {
	out := make([]dhcp.MAC, len(x.Phones))
	for i, d := range x.Phones {
		out[i] = d.MAC
	}
	return out
}

// texts returns the phones' addresses as texts.
func (x selection) texts() []string {
	out := make([]string, len(x.Phones))
	for i, d := range x.Phones {
		out[i] = d.MAC.String()
	}
	return out
}

// Hidden are the parts of a form that name the phones again.
func (x selection) Hidden() (out [][2]string) {
	if x.All {
		return [][2]string{{"all", "on"}, {"where", x.Where}, {"q", x.Q}}
	}
	for _, d := range x.Phones {
		out = append(out, [2]string{"mac", d.MAC.String()})
	}
	return out
}

// Name is the phone's name when there is one, else their number.
func (x selection) Name() string {
	if len(x.Phones) == 1 {
		return name(x.Phones[0])
	}
	return page.Plural(len(x.Phones), "phone", "phones")
}

func name(d client.Device) string {
	if d.Label != "" {
		return d.Label
	}
	return d.MAC.String()
}

// shownPhones is how many phones of a selection are listed.
const shownPhones = 200

// Shown are the phones that are listed.
func (x selection) Shown() []client.Device { return x.Phones[:min(len(x.Phones), shownPhones)] }

// More is how many are not.
func (x selection) More() int { return max(0, len(x.Phones)-shownPhones) }

// digest identifies what a draft would do to which phones: a preview is of one digest.
func (x selection) digest(f url.Values, fields []string) string {
	h := sha256.New()
	for _, name := range slices.Concat([]string{"action"}, fields) {
		h.Write([]byte(name + "=" + strings.Join(f[name], "\x00") + "\x01"))
	}
	for _, d := range x.Phones {
		h.Write(d.MAC[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// models returns the models of the phones.
func (x selection) models() map[dhcp.MAC]string {
	out := make(map[dhcp.MAC]string, len(x.Phones))
	for _, d := range x.Phones {
		out[d.MAC] = strings.TrimSpace(d.Vendor + " " + d.Model)
	}
	return out
}

func (s screen) recorded(ctx context.Context, mac string) (client.Device, error) {
	d, _, err := s.API.Devices().Get(ctx, mac, false)
	return d, err
}
