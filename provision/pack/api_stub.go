package pack

import (
	"errors"

	"plugtone/dhcp"
)

type (
	compiled struct{}
	keyType  struct{}
	pattern  struct{}
	cue      struct{}
)

var errStub = errors.New("not written yet")

// Load reads, checks and joins all packs. Its error joins every fault, each with file and line.
func Load(c Config) (*Set, error) { return nil, errStub }

// Vendors lists the packs by ID.
func (s *Set) Vendors() []*Vendor { return s.vendors }

// Vendor finds a pack by its ID or an alias.
func (s *Set) Vendor(name string) (*Vendor, bool) { v, ok := s.byName[name]; return v, ok }

// FindVendor finds a pack by its ID or an alias; its error names the nearest ones.
func (s *Set) FindVendor(name string) (*Vendor, error) { return nil, errStub }

// FindModel finds a model: "T46U" of a vendor, or of any when vendor is "", or "yealink/T46U". Its error names the
// nearest ones, or all vendors that have a model of this name.
func (s *Set) FindModel(vendor, model string) (*Vendor, *Model, error) { return nil, nil, errStub }

// Resolve reads a file name in every way that a pack knows, sorted by vendor. It is pure; the caller chooses.
func (s *Set) Resolve(name string) []Match { return nil }

// Identify weighs evidence. Clues that contradict the best one are kept as conflicts.
func (s *Set) Identify(e Evidence) Identity { return Identity{} }

// Models lists the models by name.
func (v *Vendor) Models() []*Model { return v.models }

// Model finds a model by its name or an alias, in any case and with or without dashes.
func (v *Vendor) Model(name string) (*Model, bool) { return nil, false }

// Options gives the DHCP options for a phone of this vendor in the vendor's own form and order. model may be "".
func (v *Vendor) Options(model string, mac dhcp.MAC, site dhcp.Site) (Options, error) {
	return Options{}, errStub
}

// Files lists what a phone asks for, in its order. Files whose name needs something unknown are left out.
func (v *Vendor) Files(p Phone) []FileName { return nil }

// Render gives the bytes of one file for a phone; file is File.Name or a name as the phone asks for it. Equal phones
// get equal bytes. A file without a template (none, static, firmware, upload) is an error that wraps ErrNoContent.
func (v *Vendor) Render(file string, p Phone) ([]byte, error) { return nil, errStub }

// ErrNoContent is wrapped by Render's error about a file that isn't rendered.
var ErrNoContent = errors.New("nothing is rendered for this file")

// CheckKey tells why a model can't have a key; nil when it can. model may be "": then any model's keys will do.
func (v *Vendor) CheckKey(model string, k Key) error { return nil }

// CheckLines tells why a model can't have this line position; nil when it can.
func (v *Vendor) CheckLine(model string, position int) error { return nil }

// Supports tells whether the vendor's files carry a setting for this model.
func (v *Vendor) Supports(model, setting string) bool { return false }

// CheckSetting tells why a vendor can't have this value of a setting; nil when it can, or when it ignores the setting.
func (v *Vendor) CheckSetting(model, setting string, value any) error { return nil }

// CheckExtra tells why a vendor's files can't carry this parameter of vendor_settings; nil when they can.
func (v *Vendor) CheckExtra(model, name, value string) error { return nil }

// Resync says how phones of this vendor are told to fetch again.
func (v *Vendor) Resync() Resync { return Resync{} }

// Describe gives what `vendor show` prints.
func (v *Vendor) Describe() Description { return Description{} }

// Check renders every file of every model for sample phones and parses the results. Its error joins every fault.
func (v *Vendor) Check() error { return errStub }
