package resolve_test

import "plugtone/provision/provisiontest"

var (
	mac    = provisiontest.MAC
	front  = provisiontest.FrontDesk
	office = provisiontest.Office
	fields = provisiontest.Fields
)
