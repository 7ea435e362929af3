package dhcp

import "fmt"

// Codes of the options that are read or written by name. All are of RFC 2132 unless noted.
const (
	OptionSubnetMask      = 1
	OptionRouter          = 3
	OptionDNS             = 6
	OptionHostname        = 12
	OptionDomainName      = 15
	OptionBroadcast       = 28
	OptionNTP             = 42
	OptionVendorInfo      = 43
	OptionRequestedAddr   = 50
	OptionLeaseTime       = 51
	OptionOverload        = 52
	OptionMessageType     = 53
	OptionServerID        = 54
	OptionParams          = 55
	OptionMessage         = 56
	OptionMaxSize         = 57
	OptionT1              = 58
	OptionT2              = 59
	OptionVendorClass     = 60
	OptionClientID        = 61
	OptionTFTPServer      = 66
	OptionBootFile        = 67
	OptionUserClass       = 77 // RFC 3004
	OptionRapidCommit     = 80 // RFC 4039
	OptionRelayInfo       = 82 // RFC 3046
	OptionAuthentication  = 90 // RFC 3118: neither read nor answered
	OptionSubnetSelection = 118
	OptionVIVC            = 124 // RFC 3925
	OptionVIVSO           = 125 // RFC 3925
	OptionPad             = 0
	OptionEnd             = 255
)

// CheckSettable returns an error about an option whose value the server itself determines, nil for one that may be configured.
func CheckSettable(code uint8) error {
	switch code {
	case OptionPad, OptionEnd, OptionSubnetMask, OptionRequestedAddr, OptionLeaseTime, OptionOverload, OptionMessageType, OptionServerID, OptionParams, OptionMessage, OptionMaxSize,
		OptionT1, OptionT2, OptionClientID, OptionRapidCommit, OptionRelayInfo, OptionAuthentication, OptionSubnetSelection:
		return fmt.Errorf("option %d is set by the server itself", code)
	}
	return nil
}
