package notify

import (
	"time"

	"plugtone/provision/timeline"
)

// fetchSince returns when a phone was given its own file after the NOTIFY, else why it was refused last.
func (r *run) fetchSince(p *Result) (at time.Time, refused string) {
	entries, err := r.c.Timeline(p.MAC, lookBehind)
	if err != nil {
		r.c.Log.Error("resync", "mac", p.MAC, "err", err)
		return at, ""
	}
	for _, e := range entries {
		if !timeline.IsFile(e.Source) || e.Time.Before(p.SentAt) {
			continue
		}
		switch e.Verdict {
		case "served", "not_modified":
			if ownFile(e.Kind) {
				return e.Time, ""
			}
		case "refused":
			refused = e.Reason
		}
	}
	return r.copiedFetch(p), refused
}

// copiedFetch returns when another member of the cluster gave a phone its own file after the NOTIFY: that is in no timeline here.
func (r *run) copiedFetch(p *Result) (first time.Time) {
	fetches, err := r.c.Fetches(p.MAC)
	if err != nil {
		r.c.Log.Error("resync", "mac", p.MAC, "err", err)
		return first
	}
	for _, f := range fetches {
		if ownFile(f.Kind) && !f.Time.Before(p.SentAt) && (first.IsZero() || f.Time.Before(first)) {
			first = f.Time
		}
	}
	return first
}

// ownFile reports whether files of a kind are made for one phone.
func ownFile(kind string) bool { return kind == "device" || kind == "private" }
