package phones_test

import (
	"testing"

	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestPhonesAreFilteredSearchedAndSorted(t *testing.T) {
	b := webtest.New(t).As(t, "operator")
	b.Open("/phones")
	b.WaitText("#phones", "Amelia Wright")
	b.Check("list")
	b.Type("#q", "hoffmann")
	b.WaitFor(`document.querySelectorAll("#phones tbody tr").length == 2 && location.search.includes("q=hoffmann")`)
	b.Type("#q", "")
	b.Press("\r")
	b.WaitFor(`document.querySelectorAll("#phones tbody tr").length == 48`)
	b.Click(`.chip[href*="refused"]`)
	b.WaitFor(`document.querySelectorAll("#phones tbody tr").length == 2 && location.search.includes("refused")`)
	b.Click(`.facet:nth-child(2) summary`)
	b.Check("facet")
	b.Click(`.facet:nth-child(2) .menu-body a`)
	b.WaitFor(`location.search.includes("model")`)
	b.WaitText("#phones", "Lucas Meyer")
	b.Back()
	b.WaitFor(`!location.search.includes("model")`)
	b.Back()
	b.WaitFor(`document.querySelectorAll("#phones tbody tr").length == 48`)
	b.Click(`th.sort a[href*="sort=last_fetch"]`)
	b.WaitFor(`document.querySelector("th[aria-sort=ascending]")?.innerText.trim() == "Last fetch"`)
	b.Open("/phones?q=nothing+has+this")
	b.Check("no-match")
}

func TestKeysLeftOutAreCounted(t *testing.T) {
	b := webtest.New(t).As(t, "viewer")
	b.Open("/phones")
	b.Click(`.chip[href*="left_out"]`)
	b.WaitFor(`location.search.includes("left_out") && document.querySelectorAll("#phones tbody tr").length > 0 &&
		[...document.querySelectorAll("#phones tbody tr")].every(r => r.querySelector(".badge.warn"))`)
}

func TestAnEmptyListSaysWhatToDo(t *testing.T) {
	b := webtest.Empty(t).As(t, "operator")
	b.Open("/phones")
	b.WaitText(".empty h2", "No phones yet")
	b.Check("empty")
}

func TestAWrongFilterIsExplained(t *testing.T) {
	b := webtest.New(t).As(t, "viewer")
	b.Open("/phones?where=colour%3Dred")
	b.WaitText("[role=alert]", `there is no field "colour"`)
	b.Check("wrong")
	b.Click("a.button.quiet")
	b.WaitText("#phones", "Amelia Wright")
}

func TestSelectedPhonesLeadToADraft(t *testing.T) {
	b := webtest.New(t).As(t, "operator")
	b.Open("/phones")
	b.Click("tbody tr:nth-child(2) input")
	b.Click("tbody tr:nth-child(4) input")
	b.WaitText("[data-count]", "2 selected")
	b.Check("selected")
	b.Click(`.selection button[value=tags]`)
	b.WaitFor(`location.pathname.startsWith("/change")`)
	b.WaitText("main", "2 phones")
	b.Open("/phones?limit=20&where=state%3Din_sync")
	b.Click("tbody tr:nth-child(1) input")
	b.Click(`input[name=all]`)
	b.WaitText("[data-count]", "All selected")
	b.Click(`.selection button[value=tags]`)
	b.WaitFor(`location.pathname.startsWith("/change")`)
	b.WaitText("main", "33 phones")
}

func TestAViewerSelectsNothing(t *testing.T) {
	b := webtest.New(t).As(t, "viewer")
	b.Open("/phones")
	b.Wait("#phones tbody tr")
	if b.Has("tbody input[type=checkbox]") || b.Has(".selection") {
		t.Error("a viewer can select phones")
	}
}
