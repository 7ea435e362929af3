package pbxroute_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"plugtone/provision/pbxroute"
)

// dump is what Kamailio 5.6 answers to ul.dump: one AoR with a domain (use_domain=1), behind NAT, and one without.
const dump = `{"jsonrpc": "2.0", "result": {"Domains": [{"Domain": {"Domain": "location", "Size": 1024, "AoRs": [
 {"Info": {"AoR": "1001@pbx.example.com", "HashID": 936679566, "Contacts": [{"Contact": {"Address": "sip:1001@192.168.7.7:5062;transport=udp", "Expires": 600, "Q": -1,
  "Call-ID": "1-1", "CSeq": 1, "User-Agent": "test \"x\" agent", "Received": "sip:198.51.100.4:15061", "Path": "[not set]", "State": "CS_NEW", "Methods": 4294967295}}]}},
 {"Info": {"AoR": "1002", "HashID": 1, "Contacts": [{"Contact": {"Address": "sip:1002@10.20.1.8:5060", "User-Agent": "n/a", "Received": "[not set]"}}]}}],
 "Stats": {"Records": 2, "Max-Slots": 1}}}]}, "id": 1}`

func kamailio(t *testing.T, status int, answer string) pbxroute.Config {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	c := pbxroute.Config{Registrar: "main", Notify: pbxroute.Direct, PollBy: pbxroute.Kamailio, Address: s.URL + "/RPC", User: "plugtone", PasswordFile: passwordFile(t, "s3cret")}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKamailioListsContactsByJSONRPC(t *testing.T) {
	list, err := pbxroute.New(kamailio(t, 200, dump)).Contacts(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if c := list[0]; c.User != "1001" || c.Domain != "pbx.example.com" || c.Agent != `test "x" agent` || !c.At(netip.MustParseAddr("198.51.100.4")) || !c.At(netip.MustParseAddr("192.168.7.7")) {
		t.Errorf("%+v", c)
	}
	if c := list[1]; c.User != "1002" || c.Domain != "" || c.Addr != netip.MustParseAddr("10.20.1.8") {
		t.Errorf("%+v", c)
	}
}

func TestErrorsOfKamailioNameWhatToConfigure(t *testing.T) {
	wrong := kamailio(t, 200, dump)
	wrong.PasswordFile = passwordFile(t, "guess")
	for want, c := range map[string]pbxroute.Config{
		"it refuses ul.dump (Method Not Found): load the module usrloc": kamailio(t, 500, `{"jsonrpc": "2.0", "error": {"code": 500, "message": "Method Not Found"}, "id": 1}`),
		"address: it is no JSON-RPC of Kamailio, it answered 404":       kamailio(t, 404, "<html>"),
		"it answered 401": wrong,
	} {
		_, err := pbxroute.New(c).Contacts(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, c := range []pbxroute.Config{{PollBy: pbxroute.Kamailio, Address: "pbx.example.com:8080"}, {PollBy: pbxroute.Kamailio, Address: "postgres://u:p@pbx.example.com/kamailio"},
		{PollBy: pbxroute.Kamailio, Address: "http://u:p@pbx.example.com/RPC"}, {PollBy: pbxroute.Kamailio, Address: "http://pbx.example.com/RPC", User: "plugtone"}} {
		c.Notify = pbxroute.Direct
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
