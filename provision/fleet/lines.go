package fleet

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/provision/setting"
)

const (
	maxSerial = 64
	maxTags   = 32
	maxTag    = 32 // characters
)

// Inventory brings the members of a device that no phone is given into canonical form, and reports those that can't be stored.
func (e *ValidationError) Inventory(d *Device) {
	d.Location, d.Serial = strings.TrimSpace(d.Location), strings.TrimSpace(d.Serial)
	e.Text("location", d.Location, maxDisplay)
	e.Text("serial", d.Serial, maxSerial)
	e.Text("source", d.Source, maxName)
	if len(d.Tags) > maxTags {
		e.Add("tags", "", "there are %d; allowed are %d", len(d.Tags), maxTags)
		return
	}
	for i, tag := range d.Tags {
		if len(tag) > maxTag || !isName(tag) {
			e.Add(fmt.Sprintf("tags[%d]", i), tag, "allowed are %d letters, digits, and . _ - after the first character", maxTag)
		}
	}
	d.Tags = slices.Clone(d.Tags)
	slices.Sort(d.Tags)
	if d.Tags = slices.Compact(d.Tags); len(d.Tags) == 0 {
		d.Tags = nil
	}
}

// Line brings the members of a line that need no extension into canonical form and reports those that can't be.
func (e *ValidationError) Line(path string, l *Line) {
	l.Label = strings.TrimSpace(l.Label)
	e.Text(path+".label", l.Label, MaxLabel)
	if l.On() {
		l.Enabled = nil // the default is stored as absent
	}
	o := l.Override
	if o == nil {
		return
	}
	if *o == (RegistrarOverride{}) {
		l.Override = nil
		return
	}
	path += ".registrar_override"
	if o.Host != "" && (len(o.Host) > maxHost || !setting.IsHost(o.Host)) {
		e.Add(path+".host", o.Host, "is neither an IPv4 address nor a host name; a port goes into port")
	}
	if o.Port < 0 || o.Port > 65535 {
		e.Add(path+".port", fmt.Sprint(o.Port), "allowed is 1 to 65535")
	}
	o.Transport = strings.ToLower(o.Transport)
	if o.Transport != "" && !slices.Contains(Transports(), o.Transport) {
		e.Add(path+".transport", o.Transport, "allowed is udp, tcp, tls")
	}
	if _, _, ok := setting.SplitHostPort(o.OutboundProxy); o.OutboundProxy != "" && !ok {
		e.Add(path+".outbound_proxy", o.OutboundProxy, "is neither host nor host:port")
	}
	if o.RegisterExpires != 0 {
		e.expires(path+".register_expires", o.RegisterExpires)
	}
}

// Apply returns the registrar as it is on a line with the override. A port that is the default of the registrar's transport
// follows the transport.
func (o *RegistrarOverride) Apply(r Registrar) Registrar {
	if o == nil {
		return r
	}
	if o.Host != "" {
		r.Host = o.Host
	}
	if o.Transport != "" {
		if r.Port == DefaultPort(r.Transport) {
			r.Port = DefaultPort(o.Transport)
		}
		r.Transport = o.Transport
	}
	if o.Port != 0 {
		r.Port = o.Port
	}
	if o.OutboundProxy != "" {
		r.OutboundProxy = o.OutboundProxy
	}
	if o.RegisterExpires != 0 {
		r.RegisterExpires = o.RegisterExpires
	}
	return r
}
