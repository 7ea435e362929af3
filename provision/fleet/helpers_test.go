package fleet_test

import "plugtone/provision/provisiontest"

var (
	front  = provisiontest.FrontDesk
	edit   = provisiontest.Edit
	office = provisiontest.Office
	fields = provisiontest.Fields
)
