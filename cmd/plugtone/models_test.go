package main

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/cmd/plugtone/simulate"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// TestEveryModelBoots simulates the boot of every model of every pack without a network: the DHCP options that identify the phone are
// passed to the client policy, its server is read from the option that it evaluates, and each file that it requests is requested of
// Service.Answer, which both file servers call. All of them must be served or be an expected 404.
func TestEveryModelBoots(t *testing.T) {
	t.Parallel()
	packs, err := pack.Load(provisiontest.Vendors(t))
	if err != nil {
		t.Fatal(err)
	}
	models := 0
	for _, v := range packs.Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			for _, m := range v.Models() {
				models++
				bootModel(t, packs, v, m, "off")
				if _, ok := v.HasPhonebook(m.Name); ok {
					bootModel(t, packs, v, m, "all")
				}
			}
		})
	}
	t.Logf("%d models of %d vendors", models, len(packs.Vendors()))
}

func bootModel(t *testing.T, packs *pack.Set, v *pack.Vendor, m *phonefile.Model, phonebook string) {
	mac, ok := v.SampleMAC()
	if !ok {
		mac = dhcp.MAC{2, 0, 0, 0, 0, 1}
	}
	manner, err := v.Boot(m.Name, mac)
	if err != nil {
		t.Error(err)
		return
	}
	service := standing(t, packs, v, m, mac, phonebook)
	site := dhcp.Site{Subnet: netip.MustParsePrefix("10.20.0.0/22"), Phones: dhcp.PhonesProvision, NextServer: netip.MustParseAddr("10.20.0.2"), ProvisioningURL: "http://10.20.0.2/"}
	advice := service.PolicyFor(dhcp.Client{MAC: mac, VendorClass: manner.Option60, Hostname: manner.Hostname, Params: manner.Params}, site)
	if advice.Vendor != v.ID || advice.Model != m.Name || strings.Contains(advice.Reason, "but") {
		t.Errorf("%s: taken for %s %s: %s", m.Name, advice.Vendor, advice.Model, advice.Reason)
	}
	base, ok := serverPath(advice.Options, manner)
	if !ok && len(v.Describe().DHCP) > 0 { // a client that gets no server from DHCP is configured by hand
		t.Errorf("%s: none of the options %v, which it reads its server from, is sent", m.Name, manner.Server)
		return
	}
	files := 0
	for _, f := range v.Files(phonefile.Phone{MAC: mac, Vendor: v.ID, Model: m.Name, Enabled: true, Assigned: true,
		Settings: map[string]any{"phonebook": phonebook}}) {
		if f.File.Kind == phonefile.KindUpload || f.File.Kind == phonefile.KindFirmware {
			continue
		}
		files++
		a := service.Answer(context.Background(), provision.Request{Time: bootDay, Transport: fleet.HTTP, Method: "GET", Name: base + f.Name,
			From: netip.MustParseAddr("10.20.1.7"), UserAgent: manner.UserAgent})
		wanted := f.File.Kind == phonefile.KindDevice || f.File.Kind == phonefile.KindPrivate || f.File.Kind == phonefile.KindCommon
		wanted = wanted && (f.File.MaxNumbers == 0 || phonebook != "off")
		switch {
		case wanted && (a.Outcome != provision.Served || a.Size == 0):
			t.Errorf("%s requests %s (%s): %s, %s %v", m.Name, base+f.Name, f.File.Kind, a.Outcome, a.Reason, a.Err)
		case !wanted && a.Outcome != provision.Expected404:
			t.Errorf("%s requests %s (%s) and gets an unexpected 404: %s, %s", m.Name, base+f.Name, f.File.Kind, a.Outcome, a.Reason)
		case a.Vendor != v.ID:
			t.Errorf("%s requests %s and is answered as %s", m.Name, base+f.Name, a.Vendor)
		}
	}
	if files == 0 {
		t.Errorf("%s requests nothing", m.Name)
	}
}

var bootDay = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// standing is a service with one phone of the model, which has a lease.
func standing(t *testing.T, packs *pack.Set, v *pack.Vendor, m *phonefile.Model, mac dhcp.MAC, phonebook string, with ...func(*provision.Config)) *provision.Service {
	t.Helper()
	records, leases := &provisiontest.Records{}, &provisiontest.Leases{}
	err := records.Edit("test", "test", func(e fleet.Edit) error {
		return errors.Join(e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Transport: "udp"}),
			e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "s3cret"}),
			e.PutDevice(&fleet.Device{MAC: mac, Vendor: v.ID, Model: m.Name, Label: "Desk", Enabled: true, Settings: setting.Values{"phonebook": phonebook},
				Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	leases.Lease("10.20.1.7", mac, "10.20.0.0/22", bootDay)
	site := &fleet.Site{Trust: []trust.Proof{"lease"}, UnknownPhones: fleet.UnknownList, TimeZone: "Europe/Berlin",
		Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.20.0.0/22"), Phones: dhcp.PhonesProvision, NextServer: netip.MustParseAddr("10.20.0.2")}}}}
	c := provision.Config{Records: records, Leases: leases, Packs: func() *pack.Set { return packs },
		Site: func() *fleet.Site { return site }, Now: func() time.Time { return bootDay }}
	for _, f := range with {
		f(&c)
	}
	s, err := provision.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serverPath reads the server's path from the first option that the phone looks at and is sent.
func serverPath(options []dhcp.Option, manner pack.Boot) (path string, ok bool) {
	for _, code := range manner.Server {
		for _, o := range options {
			if o.Code != code || !o.Force && !slices.Contains(manner.Params, code) {
				continue
			}
			text, err := simulate.ServerText(code, o.Data)
			if err != nil {
				return "", false
			}
			if !strings.Contains(text, "://") {
				return "", true
			}
			u, err := url.Parse(text)
			if err != nil {
				return "", false
			}
			return strings.TrimPrefix(u.Path[:strings.LastIndexByte(u.Path, '/')+1], "/"), true
		}
	}
	return "", false
}
