package dhcp_test

import "plugtone/dhcp/dhcptest"

// Short names of the fixtures.
type (
	tableFixture     = dhcptest.TableFixture
	disk             = dhcptest.Disk
	fakeReservations = dhcptest.FakeReservations
	phones           = dhcptest.Phones
)

const (
	ruleMaxDeclines     = dhcptest.MaxDeclines
	ruleOfferHold       = dhcptest.OfferHold
	ruleRetransmitted   = dhcptest.Retransmitted
	ruleShortQuarantine = dhcptest.ShortQuarantine
	second              = dhcptest.Second
)

var (
	addrOf          = dhcptest.AddrOf
	asPhone         = dhcptest.AsPhone
	broadcast       = dhcptest.Broadcast
	config          = dhcptest.ConfigOf
	data            = dhcptest.Data
	discoverOf      = dhcptest.Discover
	initRebootOf    = dhcptest.InitReboot
	ip              = dhcptest.Addr
	mac             = dhcptest.ClientMAC
	newTableFixture = dhcptest.NewTableFixture
	newDisk         = dhcptest.NewDisk
	newFixture      = dhcptest.NewFixture
	numberOf        = dhcptest.NumberOf
	optionOf        = dhcptest.OptionOf
	order           = dhcptest.OptionOrder
	relayed         = dhcptest.Relayed
	renewOf         = dhcptest.Renew
	request         = dhcptest.Message
	seconds         = dhcptest.Seconds
	selectingOf     = dhcptest.Selecting
	serveOn         = dhcptest.ServeOn
	start           = dhcptest.Start
	voice           = dhcptest.Voice
)
