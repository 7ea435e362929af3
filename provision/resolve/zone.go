package resolve

import (
	"bytes"
	"fmt"
	"maps"

	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/tz"
)

// ZoneLeftOut names what a phone isn't given of its time zone: daylight saving that follows no rule, or the whole zone
// where the files of its model have no name or number for it.
func ZoneLeftOut(vendor *pack.Vendor, p phonefile.Phone) []string {
	name, _ := p.Settings["time_zone"].(string)
	z, err := tz.Load(name)
	if err != nil {
		return nil
	}
	has := true
	if vendor != nil {
		has, _ = hasZone(vendor, p, z)
	}
	return zoneLeftOut(vendor, z, name, has)
}

// zoneLeftOut names what a phone isn't given of a zone. has reports whether the zone has a place in its files.
func zoneLeftOut(vendor *pack.Vendor, z tz.Zone, name string, has bool) []string {
	if !has {
		return []string{fmt.Sprintf("time zone %s: has no place in the files of %s", name, vendor.Name)}
	}
	if z.Irregular {
		return []string{fmt.Sprintf("daylight saving of %s: its clock changes by no fixed rule, so the phone keeps %s all year", name, offsetText(z.Offset))}
	}
	return nil
}

// rareZones are zones that lists of phones mostly lack, two without daylight saving and two with it.
var rareZones = [...]string{"Asia/Kathmandu", "Pacific/Marquesas", "Australia/Lord_Howe", "Pacific/Chatham"}

// hasZone reports whether a zone is in the phone's files. It isn't when they are the same without a zone, or for a zone of
// another offset. It is not known, and has is true, when they can't be rendered.
func hasZone(vendor *pack.Vendor, p phonefile.Phone, z tz.Zone) (has, known bool) {
	p = withServer(p)
	with := func(zone string) []byte {
		other := p
		other.Settings = maps.Clone(p.Settings)
		if other.Settings["time_zone"] = zone; zone == "" {
			delete(other.Settings, "time_zone")
		}
		return filesOf(vendor, other, phonefile.KindDevice, phonefile.KindCommon)
	}
	full := with(z.Name)
	if full == nil {
		return true, false // the reason why there is none is reported where the files are
	}
	if bytes.Equal(full, with("")) {
		return false, true
	}
	for _, name := range rareZones {
		rare, err := tz.Load(name)
		if err == nil && rare.Offset != z.Offset && rare.DST == z.DST && bytes.Equal(full, with(name)) {
			return false, true
		}
	}
	return true, true
}

// offsetText prints minutes east of Greenwich as +05:30.
func offsetText(minutes int) string {
	sign := '+'
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	return fmt.Sprintf("UTC%c%02d:%02d", sign, minutes/60, minutes%60)
}
