package pbxroute_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"plugtone/provision/pbxroute"
)

// fsPBX is the REST interface of FS PBX as its API reference describes it: lists in pages, one registration a page here.
func fsPBX(t *testing.T) (c pbxroute.Config, done func() []string) {
	var posted []string
	type object = map[string]any
	answer := func(w http.ResponseWriter, status int, o object) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(o)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/domains", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, object{"object": "list", "has_more": false, "data": []object{{"domain_uuid": "d-1", "domain_name": "pbx.example.com"}, {"domain_uuid": "d-2", "domain_name": "other.example.com"}}})
	})
	mux.HandleFunc("GET /api/v1/domains/d-1/registrations", func(w http.ResponseWriter, r *http.Request) {
		row, more := object{"call_id": "aaa@10.20.1.7", "user": "1001@pbx.example.com", "lan_ip": "10.20.1.7", "wan_ip": "10.20.1.7", "agent": "Yealink SIP-T46U"}, true
		if r.URL.Query().Get("starting_after") == "aaa@10.20.1.7" {
			row, more = object{"call_id": "bbb", "user": "1002@pbx.example.com", "lan_ip": "10.20.1.8", "wan_ip": "198.51.100.4", "agent": nil}, false
		}
		answer(w, 200, object{"object": "list", "has_more": more, "data": []object{row}})
	})
	mux.HandleFunc("GET /api/v1/domains/d-2/registrations", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, object{"object": "list", "has_more": false, "data": []object{}})
	})
	mux.HandleFunc("POST /api/v1/domains/d-1/registrations/{call}/{action}", func(w http.ResponseWriter, r *http.Request) {
		posted = append(posted, r.PathValue("call")+" "+r.PathValue("action"))
		answer(w, 200, object{"object": "registration", "uuid": r.PathValue("call"), "accepted": true})
	})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer 3|token" {
			answer(w, 401, object{"error": object{"message": "Unauthenticated."}})
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return pbxroute.Config{Registrar: "main", Notify: pbxroute.FSPBX, Address: s.URL, PasswordFile: passwordFile(t, "3|token")}, func() []string { return posted }
}

func TestFSPBXSyncsAndRestartsARegistration(t *testing.T) {
	c, done := fsPBX(t)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	n := notification("10.20.1.7")
	if err := pbxroute.New(c).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	n.User, n.Reboot = "1002", true
	if err := pbxroute.New(c).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if got := done(); !slices.Equal(got, []string{"aaa@10.20.1.7 sync", "bbb restart"}) {
		t.Errorf("%q", got)
	}
	list, err := pbxroute.New(c).Contacts(t.Context())
	if err != nil || len(list) != 2 || list[1].User != "1002" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestFSPBXListThatChangesMeanwhileIsNotCutOff(t *testing.T) {
	pages := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch pages++; {
		case strings.HasSuffix(r.URL.Path, "/domains"):
			fmt.Fprint(w, `{"has_more": false, "data": [{"domain_uuid": "d-1", "domain_name": "pbx.example.com"}]}`)
		case r.URL.Query().Get("starting_after") == "":
			fmt.Fprint(w, `{"has_more": true, "data": [{"call_id": "a/1", "user": "1001@pbx.example.com", "lan_ip": "10.20.1.7"}]}`)
		default:
			fmt.Fprint(w, `{"has_more": false, "data": []}`)
		}
	}))
	defer s.Close()
	c := pbxroute.Config{Registrar: "main", Notify: pbxroute.FSPBX, Address: s.URL, PasswordFile: passwordFile(t, "3|token")}
	if list, err := pbxroute.New(c).Contacts(t.Context()); err == nil || !strings.Contains(err.Error(), "changed while it was read") || pages != 3 {
		t.Errorf("%v, %v, %d pages", list, err, pages)
	}
}

// TestFSPBXTakesNoCallIDWithASlash: its router (Laravel) ends a part of a path at a slash, however it is written.
func TestFSPBXTakesNoCallIDWithASlash(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			t.Errorf("it received %s", r.URL)
		}
		fmt.Fprint(w, `{"has_more": false, "data": [{"domain_uuid": "d-1", "domain_name": "pbx.example.com", "call_id": "a/1", "user": "1001@pbx.example.com", "lan_ip": "10.20.1.7"}]}`)
	}))
	defer s.Close()
	c := pbxroute.Config{Registrar: "main", Notify: pbxroute.FSPBX, Address: s.URL, PasswordFile: passwordFile(t, "3|token")}
	if err := pbxroute.New(c).Notify(t.Context(), notification("10.20.1.7")); err == nil || !strings.Contains(err.Error(), `Call-ID "a/1"`) {
		t.Error(err)
	}
}

func TestErrorsOfFSPBXNameWhatToConfigure(t *testing.T) {
	c, done := fsPBX(t)
	n := notification("")
	n.Domain = "nowhere.example.com"
	if err := pbxroute.New(c).Notify(t.Context(), n); err == nil || !strings.Contains(err.Error(), "has no domain nowhere.example.com that the token may see: set sip_domain of the registrar main") {
		t.Error(err)
	}
	c.PasswordFile = passwordFile(t, "guess")
	if err := pbxroute.New(c).Notify(t.Context(), notification("")); err == nil || !strings.Contains(err.Error(), "password_file must have a token") {
		t.Error(err)
	}
	if _, err := pbxroute.New(c).Contacts(t.Context()); err == nil || !strings.Contains(err.Error(), "the PBX of the registrar main (fspbx http://127.0.0.1:") {
		t.Error(err)
	}
	if got := done(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestFSPBXRedirectDoesNotCarryTheTokenAway(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it received %q", r.Header) }))
	defer thief.Close()
	s := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusFound))
	defer s.Close()
	c := pbxroute.Config{Registrar: "main", Notify: pbxroute.FSPBX, Address: s.URL, PasswordFile: passwordFile(t, "3|token")}
	if err := pbxroute.New(c).Notify(t.Context(), notification("")); err == nil {
		t.Error("no error")
	}
}

func TestRouteThatIsNotCompleteIsRefused(t *testing.T) {
	for want, c := range map[string]pbxroute.Config{
		"poll needs a PBX": {Notify: pbxroute.Direct, Poll: 60},
		"must be that of notify, esl: there is one address":             {Notify: pbxroute.ESL, PollBy: pbxroute.AMI},
		"has no password_file: esl needs one":                           {Notify: pbxroute.ESL, Address: "pbx:8021"},
		"has no user: ami needs the name of a user in manager.conf":     {Notify: pbxroute.AMI, Address: "pbx:5038", PasswordFile: "f"},
		`address "pbx" must be HOST:PORT, such as pbx.example.com:8021`: {Notify: pbxroute.ESL, Address: "pbx", PasswordFile: "f"},
		"address must be the URL of FS PBX":                             {Notify: pbxroute.FSPBX, Address: "pbx", PasswordFile: "f"},
		"user and profile must not have spaces":                         {Notify: pbxroute.ESL, Address: "pbx:8021", PasswordFile: "f", Profile: "a b"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
	if err := (pbxroute.Config{Notify: pbxroute.Direct}).Validate(); err != nil {
		t.Error(err)
	}
}
