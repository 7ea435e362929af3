package provision

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// Enroll opens an enrollment window for the phone with mac, or for all phones when mac is zero; see trust.Service.
func (s *Service) Enroll(mac dhcp.MAC, from netip.Prefix, length time.Duration) (trust.Window, error) {
	if length < 0 || length > trust.MaxWindow {
		return trust.Window{}, fleet.ValidationError{{Field: "for", Value: setting.Duration(length).String(), Message: "allowed is 0s (closes it) to " + setting.Duration(trust.MaxWindow).String()}}
	}
	var macs []dhcp.MAC
	if !mac.IsZero() {
		err := s.c.Records.View(func(f fleet.View) error {
			d, err := f.DeviceByAny(mac)
			if err == nil {
				macs = fleet.MACsOf(d.MAC, d)
			}
			return err
		})
		if err != nil {
			return trust.Window{}, err
		}
	}
	w, err := s.trust.Enroll(macs, from, length)
	if errors.Is(err, trust.ErrTooManyWindows) {
		return trust.Window{}, fleet.ValidationError{{Field: "mac", Value: w.Phones(), Message: fmt.Sprintf("%d windows are open already; device enroll --all opens one for all phones", trust.MaxWindows)}}
	}
	return w, err
}

// Windows lists the enrollment windows that are open.
func (s *Service) Windows() []trust.Window { return s.trust.Windows() }

// Trust returns what is remembered of phones' proofs.
func (s *Service) Trust() *trust.Service { return s.trust }

// ServerURL is where phones go for their files; see Site.ServerURL.
func (s *Service) ServerURL() string { return s.c.Site().ServerURL() }
