package pbx

import (
	"strconv"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// SourceDevice is one device of a PBX, in the PBX's own words. Members that the PBX does not have are empty.
type SourceDevice struct {
	MAC      dhcp.MAC        `json:"mac" doc:"MAC address of the phone" example:"00:15:65:12:34:56"`
	Domain   string          `json:"domain,omitempty" doc:"SIP domain that the device belongs to" example:"pbx.example.com"`
	Vendor   string          `json:"vendor,omitempty" doc:"vendor as the PBX names it" example:"yealink"`
	Model    string          `json:"model,omitempty" doc:"model as the PBX names it" example:"t46s"`
	Template string          `json:"template,omitempty" doc:"template of the PBX that the device is provisioned with" example:"yealink/t46s"`
	Agent    string          `json:"agent,omitempty" doc:"user agent with which the phone fetched last from the PBX" example:"Yealink SIP-T46S 66.86.0.15 00:15:65:12:34:56"`
	Label    string          `json:"label,omitempty" doc:"name for people" example:"Reception"`
	Location string          `json:"location,omitempty" doc:"where the phone is" example:"Berlin"`
	Serial   string          `json:"serial,omitempty" doc:"serial number" example:"3130018062012345"`
	Notes    string          `json:"notes,omitempty" doc:"description" example:"spare"`
	Enabled  bool            `json:"enabled" doc:"whether the PBX provisions the phone" example:"true"`
	Profiles []string        `json:"profiles,omitempty" doc:"ids of its profiles; of those with a key at the same place the later counts" example:"[\"7d0c0f3e-6f2c-4a55-9a0e-0c9f1d2b3a4c\"]"`
	Lines    []SourceLine    `json:"lines,omitempty" doc:"its lines"`
	Keys     []SourceKey     `json:"keys,omitempty" doc:"its keys"`
	Settings []SourceSetting `json:"settings,omitempty" doc:"its settings"`
}

// String returns the device as problems name it.
func (d SourceDevice) String() string { return "device " + d.MAC.String() }

// SourceLine is one line of a device.
type SourceLine struct {
	Position            int    `json:"position" doc:"position of the line on the phone" example:"1"`
	Domain              string `json:"domain,omitempty" doc:"SIP domain of the account" example:"pbx.example.com"`
	Number              string `json:"number" doc:"number of the account" example:"1001"`
	Label               string `json:"label,omitempty" doc:"text that the phone shows" example:"Sales"`
	Server              string `json:"server,omitempty" doc:"SIP server, where it is not the domain's" example:"pbx-b.example.com"`
	Port                string `json:"port,omitempty" doc:"SIP port" example:"5060"`
	Transport           string `json:"transport,omitempty" doc:"SIP transport" example:"tcp"`
	OutboundProxy       string `json:"outbound_proxy,omitempty" doc:"proxy of all SIP" example:"proxy.example.com"`
	BackupServer        string `json:"backup_server,omitempty" doc:"second SIP server" example:"pbx2.example.com"`
	BackupOutboundProxy string `json:"backup_outbound_proxy,omitempty" doc:"second proxy" example:"proxy2.example.com"`
	Expires             string `json:"expires,omitempty" doc:"how long a registration lasts, in seconds" example:"120"`
	Shared              bool   `json:"shared,omitempty" doc:"shared line appearance" example:"false"`
	Disabled            bool   `json:"disabled,omitempty" doc:"whether the phone is given no line here" example:"false"`
}

// SourceKey is one key of a device or a profile.
type SourceKey struct {
	Area      string `json:"area,omitempty" doc:"line, memory, programmable, or expansion1 to expansion6; another word for an area that is not known" example:"line"`
	Slot      int    `json:"slot" doc:"position in its area" example:"2"`
	Vendor    string `json:"vendor,omitempty" doc:"vendor whose code the type is; absent for all" example:"yealink"`
	Type      string `json:"type,omitempty" doc:"the vendor's own code of the type, as the PBX writes it" example:"16"`
	Function  string `json:"function,omitempty" doc:"what the PBX calls the code" example:"blf"`
	Neutral   bool   `json:"neutral,omitempty" doc:"whether type is a word for phones of all vendors" example:"false"`
	Line      string `json:"line,omitempty" doc:"line of the key, as the phone counts it" example:"1"`
	Value     string `json:"value,omitempty" doc:"number or address that the key acts on" example:"1002"`
	Extension string `json:"extension,omitempty" doc:"code to pick up its call" example:"**"`
	Label     string `json:"label,omitempty" doc:"text beside the key" example:"Front Desk"`
	Locked    bool   `json:"locked,omitempty" doc:"whether the phone's user may not change it" example:"false"`
}

// String returns the key as problems name it.
func (k SourceKey) String() string {
	words := []string{"key", k.Area + ":" + strconv.Itoa(k.Slot)}
	for _, x := range []struct{ name, value string }{{"of", k.Vendor}, {"type", k.Type}, {"value", k.Value}} {
		if x.value != "" {
			words = append(words, x.name, strconv.Quote(x.value))
		}
	}
	return strings.Join(words, " ")
}

// SourceSetting is one setting of a device or a profile.
type SourceSetting struct {
	Name  string         `json:"name" doc:"name as the PBX has it" example:"time_zone"`
	Value setting.Secret `json:"value" doc:"its value" example:"Europe/Berlin"`
}

// SourceProfile is keys and settings that devices of a PBX share.
type SourceProfile struct {
	ID       string          `json:"id" doc:"id in the PBX" example:"7d0c0f3e-6f2c-4a55-9a0e-0c9f1d2b3a4c"`
	Domain   string          `json:"domain,omitempty" doc:"SIP domain that the profile belongs to; absent for all" example:"pbx.example.com"`
	Name     string          `json:"name" doc:"its name" example:"Front Desk"`
	Keys     []SourceKey     `json:"keys,omitempty" doc:"its keys"`
	Settings []SourceSetting `json:"settings,omitempty" doc:"its settings"`
}

// String returns the profile as problems name it.
func (p SourceProfile) String() string { return "profile " + strconv.Quote(p.Name) }

// Take is what is read of a PBX beside its extensions.
type Take struct{ Extensions, Devices, Profiles bool }

// Takes lists the words for what can be taken.
func Takes() []string { return []string{"extensions", "devices", "profiles"} }

// TakeOf reads a list of words; an empty one means extensions.
func TakeOf(words []string) (t Take) {
	for _, w := range words {
		switch w {
		case "extensions":
			t.Extensions = true
		case "devices":
			t.Devices = true
		case "profiles":
			t.Profiles = true
		}
	}
	if len(words) == 0 {
		t.Extensions = true
	}
	return t
}
