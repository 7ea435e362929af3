package keys_test

import (
	"net/url"
	"testing"

	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestKeysOfAPhoneAreAddedMovedSortedAndSaved(t *testing.T) {
	b := webtest.New(t).As(t, "operator")
	at := "/phones/" + webtest.Phone(0).String() + "/keys"
	b.Open(at)
	b.WaitText(`[data-key="line:2"].inherited`, "Amelia Wright")
	b.Check("picture")
	b.Click(`[data-key="line:5"]`)
	b.Choose("#f-type", "blf")
	b.Type("#f-value", "1010")
	b.Click("#f-follow")
	b.Click(`.key-panel button[value="set"]`)
	b.WaitText(`[data-key="line:5"].own.changed`, "Oliver Schmidt")
	b.Check("editing")
	b.Click(`[data-key="line:3"]`) // the profile's
	b.WaitText(".key-panel", "Profile reception has Speed dial 112")
	b.Choose("#f-type", "speed_dial")
	b.Type("#f-value", "110")
	b.Type("#f-label", "Police")
	b.Press("\r")
	b.WaitText(`[data-key="line:3"].own`, "Police")
	b.Click(`.key-panel button[value="down"]`)
	b.WaitText(`[data-key="line:4"].own.chosen`, "Police")
	b.WaitText(`[data-key="line:3"].inherited`, "Emergency")
	b.Eval(`{const d = new DataTransfer(), f = document.querySelector('[data-key="line:4"]'), to = document.querySelector('[data-key="line:8"]');
		for (const [e, n] of [[f, "dragstart"], [to, "dragover"], [to, "drop"], [f, "dragend"]]) e.dispatchEvent(new DragEvent(n, {bubbles: true, cancelable: true, dataTransfer: d}))}`)
	b.WaitText(`[data-key="line:8"].own`, "Police")
	b.Click(`button[value="sort line number"]`)
	b.WaitText(`[data-key="line:5"].own`, "Police")
	b.WaitText(`[data-key="line:8"].own`, "Oliver Schmidt")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect .diff", "Police")
	b.Check("effect")
	b.Click(`button[value="save"]`)
	b.WaitText(".notes", "keys were saved")
	b.Click(`[data-key="line:5"]`)
	b.Click(`button[value="clear"]`)
	b.WaitFor(`document.querySelector('[data-key="line:5"]').classList.contains("empty-key")`)
	b.Click(`button[value="discard"]`)
	b.WaitText(`[data-key="line:5"].own`, "Police")
}

func TestWhatAModelCantHaveIsMarkedAtTheKey(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open("/phones/" + webtest.Phone(0).String() + "/keys")
	b.Click(`[data-key="line:5"]`)
	b.Choose("#f-type", "blf") // needs a value
	b.Click(`.key-panel button[value="set"]`)
	b.WaitText(`.key-panel .note`, "needs a value")
	b.Wait(`[data-key="line:5"].bad`)
	b.Check("problem")

	// A key of the profile warehouse does not fit every model.
	list, err := s.API.Devices().All(t.Context(), map[string][]string{"where": {"profile=warehouse,left_out=*"}})
	if err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	b.Open("/phones/" + list[0].MAC.String() + "/keys")
	b.WaitText(`[data-key="memory:3"].bad`, "memory")
	b.Check("misfit")
	b.Open("/profiles/warehouse")
	b.WaitText(".misfits", list[0].Model)
	b.WaitText(`[data-key="memory:3"] .elsewhere`, list[0].Model)
	b.Check("profile")
	b.Choose("select[name=as]", list[0].Vendor+"/"+list[0].Model)
	b.Wait(`[data-key="memory:3"].bad`)
	b.Check("as-model")
	b.Click(`[data-key="line:6"]`)
	b.Choose("#f-type", "speed_dial")
	b.Type("#f-value", "4711")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect", "phones get other files")
	b.Click(`button[value="save"]`)
	b.WaitText(".notes", "saved")
	b.WaitText(`[data-key="line:6"].own`, "4711")
}

func TestKeysAreFilledFromExtensions(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	at := "/phones/" + webtest.Phone(0).String() + "/keys"
	b.Open(at)
	b.Click(`a[href$="/fill"]`)
	b.Type("#f-extensions", "1001-1010")
	b.Type("#f-from", "5")
	b.Choose("#f-sort", "label")
	b.Check("fill")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect", "1 phone gets other files")
	b.Click(`button[value="do"]`)
	b.WaitText(`[data-key="line:5"].own`, "Chloé Dubois")
	b.WaitFor(`document.querySelectorAll(".key.own").length == 9`)
	b.Check("filled")

	v := s.As(t, "viewer")
	v.Open(at)
	v.WaitText(`[data-key="line:5"].own`, "Chloé Dubois")
	if v.Count("#keys input, #keys button[name=op], .keys-bar a") > 0 {
		t.Error("a viewer can edit keys")
	}
	v.Open(at + "/fill")
	v.WaitText("h1", "Not allowed")
	v.Open("/profiles/warehouse")
	v.Choose("select[name=as]", "yealink/T54W")
	v.WaitFor(`document.querySelectorAll("#keys [data-key]").length > 0`)
}

func TestKeysOfAProfileAreFilledFromExtensions(t *testing.T) {
	s := webtest.New(t)
	b := s.As(t, "operator")
	b.Open("/profiles/reception")
	b.Click(`a[href$="/keys/fill"]`)
	b.Type("#f-extensions", "1001-1040")
	b.Type("#f-from", "5")
	b.Click(`button[value="preview"]`)
	b.WaitText(".effect", "phones get other files")
	b.Check("fill-profile")
	b.Click(`button[value="do"]`)
	b.WaitText(`[data-key="line:5"].own`, "Amelia Wright")
	b.WaitText(".misfits", "line:") // the models with fewer keys
	if p, _, err := s.API.Profiles().Get(t.Context(), "reception", false); err != nil || len(p.Keys) != 42 {
		t.Errorf("%d keys, %v", len(p.Keys), err)
	}
}

func TestKeysAreEditedWithoutScripts(t *testing.T) {
	b := webtest.New(t).Plain(t, "operator")
	at := "/phones/" + webtest.Phone(0).String() + "/keys"
	b.Open(at)
	b.Send(at, url.Values{"op": {"at line:5"}})
	b.Send(at, url.Values{"type": {"dtmf"}, "value": {"4711"}, "op": {"set"}})
	b.Sees("1 change not saved")
	b.Send(at, url.Values{"op": {"down"}})
	b.Sees("line key 6")
	b.Send(at, url.Values{"op": {"save"}})
	b.Sees("The keys were saved")
	b.Sees("6 4711 DTMF")
}
