package wire

import "plugtone/dhcp/dhcptest"

// Short names of the fixtures.
var (
	order   = dhcptest.OptionOrder
	request = dhcptest.Message
)
