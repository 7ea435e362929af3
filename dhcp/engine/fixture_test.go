package engine_test

import "plugtone/dhcp/dhcptest"

// Short names of the fixtures.
type (
	disk             = dhcptest.Disk
	fakeReservations = dhcptest.FakeReservations
	phones           = dhcptest.Phones
	fixture          = dhcptest.Fixture
)

const (
	ruleDefaultLease    = dhcptest.DefaultLease
	ruleMaxDeclines     = dhcptest.MaxDeclines
	ruleProbeFresh      = dhcptest.ProbeFresh
	ruleRetransmitted   = dhcptest.Retransmitted
	ruleShortQuarantine = dhcptest.ShortQuarantine
	second              = dhcptest.Second
)

var (
	addrOf          = dhcptest.AddrOf
	asPhone         = dhcptest.AsPhone
	broadcast       = dhcptest.Broadcast
	codes           = dhcptest.Codes
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
	packet          = dhcptest.Packet
	params          = dhcptest.Params
	parsed          = dhcptest.Parsed
	relayed         = dhcptest.Relayed
	renewOf         = dhcptest.Renew
	request         = dhcptest.Message
	fixtureOf       = dhcptest.FixtureOf
	runTable        = dhcptest.RunTable
	seconds         = dhcptest.Seconds
	selectingOf     = dhcptest.Selecting
	serveAndWait    = dhcptest.ServeAndWait
	serveOn         = dhcptest.ServeOn
	start           = dhcptest.Start
	voice           = dhcptest.Voice
)
