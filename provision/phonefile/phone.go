package phonefile

import (
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// Phone is everything a template may print: one device with its extensions, registrars, profile and settings already
// resolved. It is the only thing that templates see, so equal Phones give equal bytes.
type Phone struct {
	MAC       dhcp.MAC
	Vendor    string
	Model     string // as the pack spells it; "" when only the vendor is known
	Label     string
	Enabled   bool // false: the pack's templates clear accounts and keys
	Beyond    bool // lines and keys beyond what the pack states of the model are printed
	Assigned  bool // false: a phone without a record on hold ("unassigned" configuration)
	Lines     []Account
	Keys      []fleet.Key       // validated against the model, sorted by area and slot
	Contacts  []fleet.Contact   // the phonebook, sorted; only needed for files with File.Most
	Settings  map[string]any    // typed by the settings catalogue: string, bool, int, time.Duration, []string, setting.Secret
	Extra     map[string]string // vendor_settings of this vendor: the phone's own parameter to value
	ServerURL string            // where the phone fetches from, ends in "/"
	Server    string            // host of ServerURL
	CAURL     string            // where the certificate of our own authority is; "" when https has none
	CACert    string            // that certificate itself as PEM, lines ending in LF; "" with CAURL
	Now       time.Time         // never printed; the year from which time zone rules are computed
}

// Account is one line of a phone with the SIP account that it registers.
type Account struct {
	Position    int // 1..N
	Number      string
	DisplayName string
	AuthUser    string
	Password    setting.Secret
	Label       string // what the phone shows beside the key; never empty
	Voicemail   string
	Registrar   fleet.Registrar
	Shared      bool // the extension is on more than one device as a shared line
}
