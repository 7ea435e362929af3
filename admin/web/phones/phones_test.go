package phones_test

import (
	"testing"

	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestPhonesAreListedAndFound(t *testing.T) {
	b := webtest.New(t).As(t, "viewer")
	b.Open("/phones")
	b.WaitText("#phones", "Amelia Wright")
	b.Check("list")
	b.Type("input[type=search]", "hoffmann")
	b.WaitFor(`document.querySelectorAll("#phones tbody tr").length == 2`)
	b.WaitFor(`location.search.includes("q=hoffmann")`)
}
