package provision

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/clientpolicy"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/trust"
)

// Question is what to explain: a phone, or a file name from an address.
type Question struct {
	MAC       dhcp.MAC // a phone
	Path      string   // or a file, requested from From
	From      netip.Addr
	UserAgent string
	Subnet    netip.Prefix // zero: the phone's own
}

// Explanation is what a phone would be given, with the reasons.
type Explanation struct {
	MAC      dhcp.MAC         `json:"mac,omitzero" doc:"MAC address of the phone; absent when the request names none" example:"00:15:65:12:34:56"`
	Recorded bool             `json:"recorded" doc:"whether the phone has a device record" example:"true"`
	Enabled  bool             `json:"enabled" doc:"whether that record is enabled" example:"true"`
	Vendor   string           `json:"vendor,omitempty" doc:"vendor pack whose files the phone is given" example:"yealink"`
	Model    string           `json:"model,omitempty" doc:"model of the record, else the one that was recognised" example:"T46U"`
	Identity string           `json:"identity,omitempty" doc:"how the phone was recognised" example:"DHCP vendor class yealink"`
	Subnet   netip.Prefix     `json:"subnet,omitzero" doc:"subnet that the answer is for" example:"10.20.0.0/22"`
	SubnetBy string           `json:"subnet_by,omitempty" doc:"where the subnet is known from: lease, reservation, last fetch, first provisioning subnet or asked for" example:"lease"`
	URL      string           `json:"url,omitempty" doc:"address that the phone is sent to for its files" example:"http://10.20.0.2/"`
	Trust    string           `json:"trust,omitempty" doc:"why the phone is given its files, or why not, in words" example:"its lease"`
	Options  []OptionInfo     `json:"options,omitempty" doc:"DHCP options that provisioning adds to the usual ones"`
	Settings []resolve.Origin `json:"settings,omitempty" doc:"effective settings and where each comes from"`
	LeftOut  []string         `json:"left_out,omitempty" doc:"keys, lines and settings that the phone does not get, with the reason" example:"[\"key 13: the model has 12\"]"`
	Files    []FileInfo       `json:"files,omitempty" doc:"files that the phone would be given, in the order it requests them"`
	Answer   *FileVerdict     `json:"answer,omitempty" doc:"answer to the request for path; only when the question has a path"`
}

// OptionInfo is one DHCP option in words.
type OptionInfo struct {
	Code  uint8  `json:"code" doc:"number of the DHCP option" example:"66" maximum:"255"`
	Value string `json:"value" doc:"value in words" example:"http://10.20.0.2/"`
	Force bool   `json:"force,omitempty" doc:"whether the option is sent although the phone did not request it" example:"true"`
}

// FileVerdict is the answer to a file request without its bytes.
type FileVerdict struct {
	Outcome Outcome  `json:"outcome" doc:"what would be answered" example:"served"`
	Reason  string   `json:"reason" doc:"why, in one sentence" example:"the lease of 10.20.1.7 is the phone's"`
	Name    string   `json:"name" doc:"name of the file as requested" example:"001565123456.cfg"`
	Kind    string   `json:"kind,omitempty" doc:"kind of file: device, private, common, firmware, static, none, upload or checksum" example:"device"`
	MAC     dhcp.MAC `json:"mac,omitzero" doc:"phone that the file is of; absent for files of all phones" example:"00:15:65:12:34:56"`
	Vendor  string   `json:"vendor,omitempty" doc:"vendor pack that the name belongs to" example:"yealink"`
	Model   string   `json:"model,omitempty" doc:"model of the phone" example:"T46U"`
	Size    int64    `json:"size,omitempty" doc:"size in bytes" example:"10240" minimum:"0"`
	Digest  string   `json:"digest,omitempty" doc:"SHA-256 of the file in hexadecimal; a stand-in for callers without the role admin" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Status  int      `json:"status,omitempty" doc:"HTTP status of the answer when the file is not served" example:"403" minimum:"100" maximum:"599"`
}

// Explain returns what a phone, or a requester, would be given and why. It changes nothing.
func (s *Service) Explain(ctx context.Context, question Question) (Explanation, error) {
	return explainer{s}.explain(ctx, question)
}

// explainer collects an Explanation.
type explainer struct{ *Service }

func (s explainer) explain(ctx context.Context, question Question) (Explanation, error) {
	if question.Path == "" {
		return s.phone(ctx, question)
	}
	dry := s.preview(ctx, Request{Transport: fleet.HTTP, Name: question.Path, From: question.From, UserAgent: question.UserAgent})
	a := dry.Answer
	a.discard()
	if until := s.trust.Enumeration().Limited(trust.Source{Addr: question.From.Unmap(), Datagram: true}, dry.Time); !dry.auth.Proven && !until.IsZero() {
		a.Reason += fmt.Sprintf("; over tftp it is limited until %s: it requested the files of too many phones", until.UTC().Format(time.RFC3339))
	}
	place := s.c.Site().TrustAt(question.From)
	// The answer itself never reads the record of a phone that did not prove itself; the operator may see it.
	d, err := s.recordOf(a.MAC)
	if err != nil {
		return Explanation{}, err
	}
	return Explanation{
		MAC: a.MAC, Recorded: d != nil, Enabled: d != nil && d.Enabled,
		Vendor: a.Vendor, Model: a.Model, Subnet: dry.subnet(), Trust: s.trustWords(question.From) + " (" + place.Name() + ")",
		Answer: &FileVerdict{
			Outcome: a.Outcome, Reason: a.Reason, Name: a.Name, Kind: a.Kind, MAC: a.MAC, Vendor: a.Vendor,
			Model: a.Model, Size: a.Size, Digest: a.Digest, Status: a.Status,
		},
	}, nil
}

// recordOf is the record of a phone, nil when there is none.
func (s explainer) recordOf(mac dhcp.MAC) (*fleet.Device, error) {
	if mac.IsZero() {
		return nil, nil
	}
	var d *fleet.Device
	err := s.c.Records.View(func(f fleet.View) (err error) {
		d, err = f.DeviceByAny(mac)
		return err
	})
	if errors.Is(err, fleet.ErrNotFound) {
		return nil, nil
	}
	return d, err
}

// phone returns everything that one phone would be given.
func (s explainer) phone(ctx context.Context, question Question) (Explanation, error) {
	site, packs := s.c.Site(), s.c.Packs()
	x := Explanation{MAC: question.MAC}
	d, err := s.recordOf(question.MAC)
	if err != nil {
		return Explanation{}, err
	}
	subnet, by := s.subnets.Find(site, question.MAC, d)
	if question.Subnet.IsValid() {
		requested, ok := site.SubnetByPrefix(question.Subnet)
		if !ok {
			return Explanation{}, fleet.ValidationError{{Field: "subnet", Value: question.Subnet.String(), Message: "is not one of the subnets"}}
		}
		subnet, by = requested, "asked for"
	}
	x.Subnet, x.SubnetBy, x.URL = subnet.Prefix, by, site.URLFor(subnet)
	if d != nil {
		err = s.c.Records.View(func(f fleet.View) error { return s.device(f, packs, site, subnet, d, &x) })
	}
	if err != nil {
		return Explanation{}, err
	}
	s.dhcp(site, question.MAC, &x)
	if d != nil {
		x.Files, err = s.Files(ctx, d.MAC, question.Subnet)
	}
	return x, err
}

// device adds what the record gives.
func (s explainer) device(f fleet.View, packs *pack.Set, site *fleet.Site, subnet fleet.Subnet, d *fleet.Device, x *Explanation) error {
	x.MAC, x.Recorded, x.Enabled = d.MAC, true, d.Enabled
	var err error
	if x.Settings, err = resolve.Origins(f, packs, site, subnet, d); err != nil {
		return fmt.Errorf("device %s: %w", d.MAC, err)
	}
	if d.Vendor == "" {
		return nil
	}
	p, left, err := resolve.Phone(f, packs, site, subnet.Prefix, d, s.c.Now())
	vendor, _ := packs.Vendor(d.Vendor)
	x.LeftOut = append(left, resolve.ZoneLeftOut(vendor, p)...)
	if err != nil {
		return err
	}
	left, err = resolve.AddPhonebook(f, vendor, d, &p)
	x.LeftOut = append(x.LeftOut, left...)
	return err
}

// dhcp adds what DHCP would be advised, as far as it is known from leases without a packet.
func (s explainer) dhcp(site *fleet.Site, mac dhcp.MAC, x *Explanation) {
	subnet, _ := site.SubnetByPrefix(x.Subnet)
	client := dhcp.Client{MAC: mac}
	for _, l := range s.c.Leases.LeasesOf(mac) {
		client.VendorClass, client.Hostname = l.VendorClass, l.Hostname
		if l.State == dhcp.LeaseActive && l.Expires.After(s.c.Now()) {
			x.Trust = s.trustWords(l.Addr)
			break
		}
	}
	if x.Trust == "" && x.Subnet.IsValid() {
		x.Trust = s.trustWords(x.Subnet.Addr())
	}
	a := s.PolicyFor(client, dhcp.Site{
		Subnet: x.Subnet, Phones: subnet.Phones, NextServer: subnet.NextServer, ProvisioningURL: subnet.URL(), VoiceVLAN: subnet.VoiceVLAN,
	})
	x.Vendor, x.Model, x.Identity = a.Vendor, a.Model, a.Reason
	for _, o := range a.Options {
		x.Options = append(x.Options, OptionInfo{Code: o.Code, Value: clientpolicy.OptionText(o.Data), Force: o.Force})
	}
}

// trustWords lists the proofs that count at an address.
func (s explainer) trustWords(addr netip.Addr) string {
	place := s.c.Site().TrustAt(addr)
	if len(place.Proofs) == 0 {
		return "nothing is proof in " + place.Name()
	}
	words := make([]string, len(place.Proofs))
	for i, t := range place.Proofs {
		words[i] = string(t)
	}
	return strings.Join(words, ", ")
}
