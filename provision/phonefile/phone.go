package phonefile

import (
	"time"

	"plugtone/dhcp"
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
	Assigned  bool // false: a phone without a record on hold ("unassigned" configuration)
	Lines     []Line
	Keys      []Key             // validated against the model, sorted by area and slot
	Contacts  []Contact         // the phonebook, sorted; only needed for files with File.Most
	Settings  map[string]any    // typed by the settings catalogue: string, bool, int, time.Duration, []string, Secret
	Extra     map[string]string // vendor_settings of this vendor: the phone's own parameter to value
	ServerURL string            // where the phone fetches from, ends in "/"
	Server    string            // host of ServerURL
	CAURL     string            // where the certificate of our own authority lies; "" when https has none
	CACert    string            // that certificate itself as PEM, lines ending in LF; "" with CAURL
	Now       time.Time         // never printed; the year from which time zone rules are computed
}

// Line is one line of a phone, with its account.
type Line struct {
	Position    int // 1..N
	Number      string
	DisplayName string
	AuthUser    string
	Password    Secret
	Label       string // what the phone shows beside the key; never empty
	Voicemail   string
	Registrar   Registrar
	Shared      bool // the extension stands on more than one device as a shared line
}

// Registrar is the SIP server of a line, defaults filled in.
type Registrar struct {
	Name            string
	Host            string
	Port            int
	Transport       string // udp, tcp or tls
	OutboundProxy   string // host or host:port, "" if none
	BackupHost      string
	RegisterExpires time.Duration
}

// Key is one key of a phone. Slot counts from 1 within its area.
type Key struct {
	Area  string // line, memory, programmable, expansion1 .. expansion6
	Slot  int
	Type  string // a type of the contract: line, blf, speed_dial ...
	Value string
	Label string
	Line  int // 0: the phone's first line
}

// Contact is one entry of a phonebook. One of the numbers at least is set.
type Contact struct {
	Name   string
	Number string // at work; of an extension its number
	Mobile string
	Home   string
	Group  string
}

// Secret is text that never shows in logs or error messages.
type Secret = setting.Secret
