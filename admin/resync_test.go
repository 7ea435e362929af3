package admin_test

import (
	"strings"
	"testing"
)

func TestResyncStartsAJobThatIsListedShownAndStopped(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.PutLease("10.20.1.7", mustMAC(t, phone))
	a.want(a.as("viewer", "POST /api/v1/resync", `{"macs":["`+phone+`"]}`), "resync by a viewer", 403)
	r := a.as("operator", "POST /api/v1/resync", `{"macs":["`+phone+`"],"pace":"off","canary":1,"wait":"30s","message":"new keys"}`)
	a.want(r, "resync", 202)
	for path, want := range map[string]string{"job.id": "1", "job.total": "1", "job.state": "running", "job.message": "new keys", "job.options.pace": "off", "job.options.per_address": "5/m"} {
		if got := r.get(t, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if got := a.as("viewer", "GET /api/v1/jobs", "").get(t, "items.0.total"); got != "1" {
		t.Errorf("total in the list: %q", got)
	}
	if got := a.as("viewer", "GET /api/v1/jobs/1", "").get(t, "phones.0.mac"); got != phone {
		t.Errorf("phone of the job: %q", got)
	}
	if stopped := a.as("operator", "DELETE /api/v1/jobs/1", ""); stopped.get(t, "state") != "stopped" || !strings.HasPrefix(stopped.get(t, "reason"), "stopped by ") {
		t.Errorf("stop: %s", stopped.body)
	}
	a.want(a.as("viewer", "GET /api/v1/jobs/2", ""), "a job that is not there", 404)
	a.want(a.as("operator", "DELETE /api/v1/jobs/2", ""), "stop of a job that is not there", 404)
	log := a.as("admin", "GET /api/v1/audit?limit=1000", "").body
	if entry := a.as("admin", "GET /api/v1/audit?limit=1", ""); entry.get(t, "items.0.from") != "127.0.0.1" {
		t.Errorf("the entry does not name where the request came from: %s", entry.body)
	}
	for _, want := range []string{"resync " + phone, "stop job 1"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the audit log", want)
		}
	}
}

func TestResyncPrintsWhatItWouldSend(t *testing.T) {
	a := newAPI(t)
	a.office()
	r := a.as("operator", "POST /api/v1/devices/"+phone+"/resync", `{"print":true}`)
	a.want(r, "print", 202)
	if got := r.get(t, "planned.0.skipped"); got != "its address is not known" {
		t.Errorf("a phone without a lease: %q", got)
	}
	a.PutLease("127.0.0.7", mustMAC(t, phone))
	if got := a.as("operator", "POST /api/v1/devices/"+phone+"/resync", `{"print":true}`).get(t, "planned.0.request"); !strings.HasPrefix(got, "NOTIFY sip:1001@127.0.0.7:5060 SIP/2.0\r\n") {
		t.Errorf("request %q", got)
	}
	if got := a.as("viewer", "GET /api/v1/jobs", "").body; strings.Contains(got, `"id"`) {
		t.Errorf("a job was started: %s", got)
	}
}

func TestResyncNamesTheMemberThatIsWrong(t *testing.T) {
	a := newAPI(t)
	a.office()
	for body, want := range map[string]string{
		`{}`: "body.macs",
		`{"macs":["` + phone + `"],"stale":true}`: "body.macs",
		`{"macs":["zz"]}`:                         "body.macs[0]",
		`{"stale":true,"pace":"50"}`:              "body.pace",
		`{"stale":true,"per_address":"5/d"}`:      "body.per_address",
		`{"stale":true,"wait":"2h"}`:              "body.wait",
		`{"stale":true,"wait":"0s"}`:              "body.wait",
		`{"stale":true,"canary":-1}`:              "body.canary",
		`{"where":"colour=red"}`:                  "body.where",
	} {
		r := a.as("operator", "POST /api/v1/resync", body)
		a.want(r, body, 422)
		if got := r.get(t, "errors.0.location"); got != want {
			t.Errorf("%s: location %q, want %q", body, got, want)
		}
	}
	a.want(a.as("operator", "POST /api/v1/resync", `{"macs":["00:15:65:ff:ff:ff"]}`), "a phone without a record", 404)
}
