package phone

import (
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
)

type historyView struct {
	record.View
	record.Revisions
}

func (s screen) history(r *page.Request) error {
	h, _, err := record.LoadHead(r.Context(), s.API, r.PathValue("mac"), "history", 1)
	if err != nil {
		return err
	}
	all, err := s.API.History(r.Context(), h.Device.MAC.String())
	if err != nil {
		return err
	}
	v := &historyView{View: titled(h, "History"), Revisions: record.Revisions{Items: all.Items, Changes: s.Has("/changes/{id}"), At: home(h.Device) + "/do"}}
	return s.Render(r, "history", v)
}
