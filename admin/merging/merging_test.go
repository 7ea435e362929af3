package merging_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/admin/client"
	"plugtone/admin/merging"
	"plugtone/admin/web/inprocess"
	"plugtone/dhcp"
	"plugtone/provision/diagnosis"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// cluster is a Members of voice-a and others.
type cluster []merging.Other

func (cluster) Self() string              { return "voice-a" }
func (c cluster) Others() []merging.Other { return c }

// answers returns another member that answers all requests with v.
func answers(name string, v any) merging.Other {
	return merging.Other{Name: name, API: client.Over(inprocess.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(v)
	})})}
}

// hangs returns another member that answers no request.
func hangs(name string) merging.Other {
	return merging.Other{Name: name, API: client.Over(inprocess.Transport{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })})}
}

// refused is a transport to a member that takes no connections.
type refused struct{}

func (refused) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no plugtone listens there")
}

func TestWhyAMemberDoesNotAnswerIsPlain(t *testing.T) {
	s := client.DaemonStatus{}
	merging.Status(t.Context(), cluster{{Name: "voice-b", API: client.Over(refused{})}}, merging.Choice{}, &s)
	if len(s.Members) != 1 || s.Members[0].Problem != "no plugtone listens there" {
		t.Errorf("%+v", s.Members)
	}
}

func at(second int) time.Time { return time.Date(2026, 11, 30, 12, 0, second, 0, time.UTC) }

var phone = dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}

func entry(second int, source, event string) timeline.Entry {
	return timeline.Entry{Time: at(second), MAC: phone, Source: source, Event: event}
}

func TestTimelinesAreOneInOrderOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := client.Timeline{MAC: phone, Items: []timeline.Entry{entry(2, "dhcp", "request"), entry(4, "http", "get")}, Diagnosis: []diagnosis.Finding{{Text: "of b"}}}
		members := cluster{answers("voice-b", b), hangs("voice-c"), {Name: "voice-d", Problem: "it does not run"}}
		out := client.Timeline{MAC: phone, Items: []timeline.Entry{entry(1, "dhcp", "discover"), entry(3, "tftp", "get"), entry(9, "syslog", "log")}, Diagnosis: []diagnosis.Finding{{Text: "of a"}}}
		began := time.Now()
		others := merging.Timeline(t.Context(), members, merging.Choice{}, &out, 3)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s", took)
		}
		var got []string
		for _, e := range out.Items {
			got = append(got, e.Member+" "+e.Event)
		}
		if want := []string{"voice-b request", "voice-a get", "voice-b get", "voice-a log"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q: the newest three, and the phone's own line", got, want)
		}
		if len(others) != 2 || others[1].Event != "get" || others[1].Member != "voice-b" {
			t.Errorf("a diagnosis has of the others: %+v", others)
		}
		if u := out.Unanswered; len(u) != 2 || u[0].Member != "voice-c" || !strings.Contains(u[0].Problem, "within 1s") || u[1].Problem != "it does not run" {
			t.Errorf("unanswered: %+v", u)
		}
	})
}

func TestOneMemberAloneCallsNoOther(t *testing.T) {
	items := []timeline.Entry{entry(1, "dhcp", "discover")}
	for name, tt := range map[string]struct {
		members merging.Members
		member  string
	}{"single appliance": {nil, ""}, "member=local": {cluster{answers("voice-b", client.Timeline{Items: []timeline.Entry{entry(2, "dhcp", "request")}})}, "voice-a"}} {
		in := merging.Choice{}
		if tt.members != nil {
			in.Member = merging.Local
		}
		out := client.Timeline{MAC: phone, Items: slices.Clone(items)}
		merging.Timeline(t.Context(), tt.members, in, &out, 9)
		if len(out.Items) != 1 || out.Items[0].Member != tt.member || out.Unanswered != nil {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

func TestAPhoneThatTwoMembersHaveSeenIsListedOnce(t *testing.T) {
	other := dhcp.MAC{0, 0x15, 0x65, 0, 0, 0}
	b := client.Page[fleet.Discovered]{Items: []fleet.Discovered{{MAC: other, FirstSeen: at(3), LastSeen: at(3)}, {MAC: phone, FirstSeen: at(5), LastSeen: at(7), Model: "of b"}}}
	own := []fleet.Discovered{{MAC: phone, FirstSeen: at(1), LastSeen: at(6), Model: "of a"}}
	list, silent := merging.Discovered(t.Context(), cluster{answers("voice-b", b)}, merging.Choice{}, own)
	if len(list) != 2 || silent != nil || list[0].MAC != other {
		t.Fatalf("%+v, %+v", list, silent)
	}
	if d := list[1]; d.Member != "voice-b" || d.Model != "of b" || !d.FirstSeen.Equal(at(1)) || !d.LastSeen.Equal(at(7)) {
		t.Errorf("%+v", d)
	}
	if list, _ := merging.Discovered(t.Context(), nil, merging.Choice{}, own); len(list) != 1 || list[0].Member != "" {
		t.Errorf("on a single appliance: %+v", list)
	}
}

func TestStatusNamesTheOtherMembers(t *testing.T) {
	s := client.DaemonStatus{Version: "2"}
	merging.Status(t.Context(), cluster{{Name: "voice-c", Problem: "it does not run"}, answers("voice-b", client.DaemonStatus{Version: "1", Ready: true, Warnings: []string{"x"}})}, merging.Choice{}, &s)
	if len(s.Members) != 2 || s.Member != "voice-a" {
		t.Fatalf("%+v", s)
	}
	if b, c := s.Members[0], s.Members[1]; b.Member != "voice-b" || !b.Ready || b.Version != "1" || len(b.Warnings) != 1 || c.Member != "voice-c" || c.Ready || c.Problem != "it does not run" {
		t.Errorf("%+v", s.Members)
	}
}

// Entries that other members add are followed, each once; those of before are not.
func TestEntriesOfOthersAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		items := []timeline.Entry{entry(1, "dhcp", "discover")}
		add := func(e timeline.Entry) { mu.Lock(); defer mu.Unlock(); items = append(items, e) }
		b := merging.Other{Name: "voice-b", API: client.Over(inprocess.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			json.NewEncoder(w).Encode(client.Timeline{MAC: phone, Items: items})
		})})}
		ctx, stop := context.WithCancel(t.Context())
		feed := merging.Follow(ctx, cluster{b, {Name: "voice-d", Problem: "it does not run"}}, phone)
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case e := <-feed:
					got = append(got, e.Member+" "+e.Event)
				case <-ctx.Done():
					return
				}
			}
		}()
		time.Sleep(3 * time.Second)
		add(entry(2, "dhcp", "request"))
		time.Sleep(3 * time.Second)
		add(entry(3, "http", "get"))
		time.Sleep(3 * time.Second)
		stop()
		<-done
		if want := []string{"voice-b request", "voice-b get"}; !slices.Equal(got, want) {
			t.Errorf("followed %q, want %q", got, want)
		}
		if merging.Follow(ctx, nil, phone) != nil || merging.Follow(ctx, cluster{b}, dhcp.MAC{}) != nil {
			t.Error("others are followed on a single appliance, or for all phones")
		}
	})
}

// A phone is forgotten by all members that have it; one that fails is an error, one that has it not is none.
func TestPhonesAreForgottenByAll(t *testing.T) {
	with := func(name string, status int) merging.Other {
		return merging.Other{Name: name, API: client.Over(inprocess.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodDelete || !strings.HasSuffix(r.URL.Path, "/discovered/"+phone.String()) {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.WriteHeader(status)
		})})}
	}
	for _, c := range []struct {
		members cluster
		was     bool
		failed  bool
	}{{cluster{with("b", 204), with("c", 404)}, true, false}, {cluster{with("b", 404), {Name: "d", Problem: "it does not run"}}, false, false}, {cluster{with("b", 204), with("c", 500)}, true, true}, {nil, false, false}} {
		was, err := merging.Forget(t.Context(), c.members, merging.Choice{}, phone)
		if was != c.was || (err != nil) != c.failed {
			t.Errorf("%d members: %v, %v", len(c.members), was, err)
		}
	}
}
