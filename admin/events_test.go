package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"plugtone/provision/timeline"
)

func TestEventsOfOnePhoneAreFollowed(t *testing.T) {
	a := newAPI(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", a.url+"/api/v1/events?mac=001565123456", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer viewer")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewScanner(res.Body)
	if !in.Scan() || in.Text() != ": following" {
		t.Fatalf("the stream begins with %q", in.Text())
	}
	a.Feed.Publish(timeline.Entry{MAC: mustMAC(t, "02:00:00:00:00:01"), Source: "dhcp"}, timeline.Entry{MAC: mustMAC(t, phone), Source: "tftp"})
	for in.Scan() {
		data, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue
		}
		var e timeline.Entry
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		if e.Source != "tftp" || e.MAC.String() != phone {
			t.Errorf("followed %+v", e)
		}
		break
	}
	a.want(a.as("viewer", "GET /api/v1/events?mac=x", ""), "events of no MAC", 422)
}

func TestAReaderOfEventsResumesAfterItsLastOne(t *testing.T) {
	a := newAPI(t)
	a.Feed.Publish(timeline.Entry{MAC: mustMAC(t, phone), Source: "dhcp"}, timeline.Entry{MAC: mustMAC(t, phone), Source: "tftp"},
		timeline.Entry{MAC: mustMAC(t, phone), Source: "http"})
	events := func(last string, n int) (ids, sources []string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", a.url+"/api/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer viewer")
		req.Header.Set("Last-Event-ID", last)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for in := bufio.NewScanner(res.Body); len(sources) < n && in.Scan(); {
			if id, ok := strings.CutPrefix(in.Text(), "id: "); ok {
				ids = append(ids, id)
			}
			if data, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				var e timeline.Entry
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				sources = append(sources, e.Source)
			}
		}
		return ids, sources
	}
	ids, sources := events("of-another-run", 4)
	if len(ids) != 3 || strings.Join(sources, " ") != " dhcp tftp http" { // the first has no source: it is the event lost
		t.Fatalf("after an unknown id: %v %v", ids, sources)
	}
	if _, sources := events(ids[0], 2); strings.Join(sources, " ") != "tftp http" {
		t.Errorf("after the first: %v", sources)
	}
}

func TestAnUnchangedRecordIsAnswered304(t *testing.T) {
	a := newAPI(t)
	a.do("PUT /api/v1/registrars/main", `{"host":"pbx.example.com"}`, 201)
	a.do("PUT /api/v1/extensions/1001", `{"password":"s3cret"}`, 201)
	a.do("PUT /api/v1/profiles/desk", `{}`, 201)
	a.do("POST /api/v1/devices", `{"mac":"`+phone+`"}`, 201)
	for _, path := range []string{"/registrars/main", "/extensions/1001", "/profiles/desk", "/devices/" + phone} {
		tag := a.do("GET /api/v1"+path, "", 200).header.Get("ETag")
		if r := a.do("GET /api/v1"+path, "", 304, "If-None-Match: "+tag); r.body != "" || r.header.Get("ETag") != tag {
			t.Errorf("%s: 304 with ETag %q and the body %q", path, r.header.Get("ETag"), r.body)
		}
		a.do("GET /api/v1"+path, "", 200, `If-None-Match: "999"`)
	}
}

func TestTheRootIsThePageAndNeedsASession(t *testing.T) {
	a := newAPI(t)
	res, err := http.Get(a.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Request.URL.Path != "/login" {
		t.Errorf("/ leads to %s, %s", res.Request.URL.Path, res.Status)
	}
}

func TestEventsEndWithTheToken(t *testing.T) {
	a := newAPI(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", a.url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer viewer")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewScanner(res.Body)
	if !in.Scan() {
		t.Fatal(in.Err())
	}
	a.Feed.Publish(timeline.Entry{Source: "dhcp"})
	for in.Scan() && !strings.Contains(in.Text(), `"dhcp"`) {
	}
	if err := a.DeleteToken("test", "viewer"); err != nil {
		t.Fatal(err)
	}
	a.Feed.Publish(timeline.Entry{Source: "tftp"})
	for in.Scan() { // until the server ends the stream
		if strings.Contains(in.Text(), "tftp") {
			t.Fatalf("sent after the token was revoked: %s", in.Text())
		}
	}
}
