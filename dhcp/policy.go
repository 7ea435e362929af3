package dhcp

import "net/netip"

// Client is a packet's data about its sender, from which a phone is recognised. All strings are copies.
type Client struct {
	MAC         MAC
	ClientID    string  // option 61
	VendorClass string  // option 60
	Hostname    string  // option 12
	UserClass   string  // option 77
	VIVC        string  // option 124, vendor-identifying vendor class
	VendorInfo  string  // option 43
	VIVSO       string  // option 125, vendor-identifying vendor specific information
	Params      []uint8 // option 55, parameter request list, duplicates removed
	CircuitID   string  // option 82.1
	RemoteID    string  // option 82.2
}

// Option is one DHCP option of a reply, already encoded.
type Option struct {
	Code  uint8
	Data  []byte
	Force bool // sent also when the client's parameter request list lacks it
}

// Policy is what provisioning sends to a client, and how it classified the client.
type Policy struct {
	Vendor         string   // pack id, "" when not recognised
	Model          string   // "" when not known
	Recognised     string   // the pack id that the client's own options name, when its record names another; else ""
	Phone          bool     // recognised or recorded: long lease, a share of the pool kept for it
	Recorded       bool     // has a device record
	Options        []Option // in the order they should be sent; beat the subnet's own options of the same code
	NoClientIDEcho bool     // this vendor's phones reject an echoed option 61 (RFC 6842)
	NULTerminate   bool     // text options end in NUL
	Reason         string   // one sentence for timeline and explain: "recognised as yealink by option 60 \"yealink\""
}

// Site is what a Policy may depend on besides the client.
type Site struct {
	Subnet          netip.Prefix
	Phones          string     // provision, move or none
	NextServer      netip.Addr // the address of this server that the client would reach
	ProvisioningURL string     // ends in "/"; never empty
	VoiceVLAN       int        // 0: none
}

// ClientPolicy turns a recognised client into options. It is called for every packet, without a lock.
type ClientPolicy interface {
	PolicyFor(c Client, s Site) Policy
}
